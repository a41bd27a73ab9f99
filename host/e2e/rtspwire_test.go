//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// rtspWireYAML speaks RTSP on its own port, sends a point to a group as RTP, and keeps UDP
// to a few ports.
const rtspWireYAML = `
listeners:
  web: {address: "127.0.0.1:8080"}
  rtsp: {address: "10.77.0.1:554"}
plugins:
  push:
    module: ./push.wasm
    listeners: [web]
    grant: {publish: ["*"]}
  mpegts:
    module: ./mpegts.wasm
  rtsp:
    module: ./rtsp.wasm
    listeners: [rtsp]
    grant: {attach: ["*"]}
    config: {ports: "6970-6973", multicast: {live: "239.192.7.7:26000"}}
points:
  live:
    source: push
    multicast: {group: "239.192.7.7:26000", interface: s0, rendition: rtp}
`

// TestRTSPOverAWire: a player on another computer gets the stream from the ports that are
// configured, and from the group that the point is sent to, on port 554, which is not in the URL.
func TestRTSPOverAWire(t *testing.T) {
	t.Parallel()
	w := newWiredAs(t, rtspWireYAML)
	w.encode()
	for _, transport := range []string{"udp", "udp_multicast", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			ffmpeg.need(t)
			c := w.start(ffmpeg, progress, "-rtsp_transport", transport, "-i rtsp://10.77.0.1/live -vf setpts=PTS-STARTPTS -an -t 3 -f null -").wait().succeeded()
			if n := c.frames(); n < enough {
				t.Errorf("%d frames decoded in 3 s of stream, %d expected", n, enough)
			}
		})
	}
	ports := w.weir("ports")
	for _, port := range []string{"6970", "6971"} {
		if !strings.Contains(ports, port) {
			t.Errorf("weir ports does not show %s:\n%s", port, ports)
		}
	}
}
