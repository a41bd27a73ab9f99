// Command udp feeds points from MPEG transport streams that come in datagrams, bare or in
// RTP: from senders that send to a UDP listener, and from multicast groups or local
// addresses that are a point's source.
//
// It owns the choice of the point, and the order of RTP packets. Datagrams come in; the
// wish to publish, and the transport stream without its transport's heads, go out. Of a
// bare transport stream it sees the first datagrams only: the host passes the rest on by
// itself. It never looks into the transport stream further than its sync bytes.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
