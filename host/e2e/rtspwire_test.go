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
	t.Run("udp that a firewall drops", func(t *testing.T) {
		ffmpeg.need(t)
		w.dropsUDP(t)
		c := w.start(ffmpeg, progress, "-loglevel info -timeout 1000000 -i rtsp://10.77.0.1/live -vf setpts=PTS-STARTPTS -an -t 3 -f null -").wait().succeeded().
			says("UDP timeout, retrying with TCP")
		if n := c.frames(); n < enough {
			t.Errorf("%d frames decoded in 3 s of stream, %d expected", n, enough)
		}
	})
	ports := w.weir("ports")
	for _, port := range []string{"6970", "6971"} {
		if !strings.Contains(ports, port) {
			t.Errorf("weir ports does not show %s:\n%s", port, ports)
		}
	}
}

// nft is the firewall of the players' namespace.
var nft = program{"nft", "nftables"}

// dropsUDP has the players' computer drop all datagrams that come.
func (w *wired) dropsUDP(t *testing.T) {
	t.Helper()
	nft.need(t)
	for _, rule := range []string{"add table inet t", "add chain inet t i { type filter hook input priority 0; }", "add rule inet t i meta l4proto udp drop"} {
		if out, err := w.there.Command(nft.name, rule).CombinedOutput(); err != nil {
			t.Fatalf("nft %s: %v\n%s", rule, err, out)
		}
	}
}
