// Command mpegts is the format plugin for MPEG transport streams: it cuts a stream of
// 188-byte packets into the media packets of the rendition "mpegts".
//
// It owns a session's place in the programme and on the point's timeline. Input bytes
// and what the point's last source left behind come in; the programme tables as header
// and marked spans of the input go out. It never decodes media, never copies a packet,
// and never speaks with an encoder or a player.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
