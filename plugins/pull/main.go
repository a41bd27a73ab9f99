// Command pull feeds points from servers and encoders that weir dials: Windows Media
// encoders and servers (MS-WMSP over HTTP), ffmpeg and VLC that listen, any server that
// sends ASF or an MPEG transport stream over HTTP or a bare connection.
//
// It owns the conversation with the other side: requests, redirects, credentials, and
// the choice of the format by the first bytes of what comes. A point's URL comes in; the
// wish to publish, and the stream without its framing, go out. It never retries by itself:
// a session ends with the reason, and the host starts the next one after a while. It never
// parses packets.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
