// Command http is the plugin that streams a publishing point to any HTTP client: a
// browser's video element, VLC, ffmpeg, GStreamer, curl.
//
// It owns the paths /POINT, /POINT.asf, /POINT.ts, /POINT.webm, /POINT.mkv and /POINT.ogg
// of a listener. Requests come in; response heads and attachments to the renditions "asf",
// "mpegts", "webm" and "ogg" go out. It never sees media bytes: the host sends them.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
