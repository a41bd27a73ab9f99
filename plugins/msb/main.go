// Command msb is the plugin of multicast in the manner of Windows Media: it puts ASF packets
// into the datagrams of the Media Stream Broadcast protocol (MS-MSB), and writes the .nsc
// file without which no player can read them.
//
// It owns the two formats and the number that joins them, a format's. The rendition asf
// comes in and msb goes out; a question about a point, with its groups and the header of its
// ASF, comes in and an .nsc goes out. It knows no sockets and no groups but those that it is
// told of: the host sends.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
