// Command ogg is the format plugin for Ogg: it cuts a stream of pages into the packets of
// the rendition "ogg".
//
// It owns a session's logical streams and its place on the point's timeline. Input bytes
// and what the point's last source left behind come in; the pages that set up decoders as
// header, and marked pages of the input, some behind a head of their own, go out. It never
// decodes media, never copies a page's body, and never speaks with an encoder or a player.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
