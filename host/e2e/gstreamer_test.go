package e2e

import "testing"

func init() {
	plays = append(plays,
		play{"gstreamer http asf", "live", gst, func(t *testing.T, s server) { gstPlays(t, s.http("/live")) }},
		play{"gstreamer http ts", "ts", gst, func(t *testing.T, s server) { gstPlays(t, s.http("/ts")) }},
	)
}

// gstPlays has GStreamer decode 44 pictures, after which it ends by itself.
func gstPlays(t *testing.T, url string) {
	t.Helper()
	gst.run(t, "-q uridecodebin uri="+url+" ! video/x-raw ! identity eos-after=44 ! fakesink").succeeded()
}
