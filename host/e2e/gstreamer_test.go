package e2e

import (
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

func init() {
	plays = append(plays,
		play{"gstreamer http asf", "live", gst, func(t *testing.T, s server) { gstPlays(t, s.http("/live")) }},
		play{"gstreamer http ts", "ts", gst, func(t *testing.T, s server) { gstPlays(t, s.http("/ts")) }},
	)
}

// gstPlays has GStreamer show 44 pictures at their times, as a player does: it buffers
// as if they were shown, and a sink that takes them at once would empty its queues. It
// tells of each picture; eos-after of identity would be the shorter way to count them,
// but goes unnoticed now and then where there is a second stream.
func gstPlays(t *testing.T, url string) {
	t.Helper()
	c := gst.start(t, "-v uridecodebin uri="+url+" ! video/x-raw ! fakesink sync=true silent=false")
	shown := 0
	hosttest.Eventually(t, "GStreamer has shown pictures", func() bool {
		shown = strings.Count(c.out.String(), "last-message = chain ")
		return shown >= enough || c.ended()
	})
	if shown < enough {
		t.Errorf("GStreamer ended with %v after %d pictures, %d expected", c.err, shown, enough)
	}
}
