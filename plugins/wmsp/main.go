// Command wmsp is the plugin that speaks Windows Media HTTP Streaming (MS-WMSP) with
// players: mmsh:// in VLC, mplayer, mpv and ffmpeg, mms:// and http:// in Windows Media
// Player.
//
// It owns the meaning of the players' requests and the rendition "mmsh", which it makes
// out of "asf". Requests and descriptions of ASF packets come in; answers, attachments
// to that rendition and framing go out. It never sees media bytes: the host sends them.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
