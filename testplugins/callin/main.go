// Command callin is a plugin of weir that makes whoever sends it a datagram a viewer: "JOIN POINT" begins a transport stream in datagrams, from the
// address that was called; each further datagram keeps it for another while, and "BYE" ends it.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
