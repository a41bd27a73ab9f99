// Command asf is the format plugin for Advanced Systems Format: it cuts a plain ASF
// byte stream, as an encoder sends it or a file holds it, into the packets of the
// rendition "asf".
//
// It owns a session's place in the stream and on the point's timeline. Input bytes and
// what the point's last source left behind come in; the broadcast header and marked
// spans of the input go out. It never decodes media, never copies a packet, and never
// speaks with an encoder or a player.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
