// Command rtptracks is the plugin that takes an MPEG transport stream apart, once for all
// viewers, into RTP streams of its pictures and of its sound: H.264 (RFC 6184), AAC (RFC
// 3640) and MPEG audio (RFC 2250).
//
// It owns the rendition "rtp-tracks": interleaved frames of RTSP (RFC 2326 10.12), pictures
// on channels 0 and 1, sound on 2 and 3, whose header is the media part of an SDP. The
// rendition mpegts comes in, whole. It knows no viewers: plugin rtsp attaches them.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
