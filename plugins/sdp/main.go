// Command sdp is the plugin that describes the groups of a point in SDP (RFC 8866), and
// writes the datagrams that announce and that take back such a description (SAP, RFC 2974).
//
// It owns the two formats. A question about a point, with its groups, comes in; a document
// or a datagram goes out. It never sends: the host does, as long as the group is there.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
