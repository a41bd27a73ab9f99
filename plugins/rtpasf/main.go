// Command rtpasf is the plugin that puts the packets of ASF into RTP, once for all viewers,
// as Windows Media servers do (MS-RTSP 2.2.1).
//
// It owns the rendition "rtp-asf": interleaved frames of RTSP (RFC 2326 10.12), all streams
// on channel 0 and their reports on 1, whose header is the part of an SDP that is about them.
// The rendition asf comes in. It knows no viewers: plugin rtsp attaches them.
package main

import "github.com/weir-media/weir/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }
