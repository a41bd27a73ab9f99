// Command rtsp is the plugin that speaks RTSP 1.0 with players (RFC 2326): ffmpeg, VLC,
// mpv, mplayer and GStreamer, over UDP or inside the RTSP connection.
//
// It owns the meaning of requests, an RTSP session's place between SETUP and TEARDOWN, and
// the renditions "rtp" and "rtsp", which it makes out of "mpegts" (RFC 2250). Bytes of the
// connection, datagrams of RTCP and descriptions of packets come in; answers, attachments
// and heads of RTP packets go out. It never sees media bytes: the host sends them.
//
// Encoders push by the same protocol (record*.go): their packets come in, and are fed as
// one transport stream to the plugin that reads it. No access unit is held.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
