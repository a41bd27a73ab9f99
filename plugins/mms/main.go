// Command mms is the plugin that speaks the Microsoft Media Server protocol over TCP
// (MS-MMSP) with players: mms:// and mmst:// in VLC and mplayer, mmst:// in ffmpeg, and
// whatever uses libmms.
//
// It owns the meaning of the players' messages and the rendition "mmst", which it makes
// out of "asf". Messages and descriptions of ASF packets come in; answers, attachments
// to that rendition and framing go out. It never sees media bytes: the host sends them.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
