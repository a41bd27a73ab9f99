package e2e

import "testing"

func init() {
	plays = append(plays,
		play{"mpv mms", "live", mpv, func(t *testing.T, s server) { mpvPlays(t, s.mms("/live"), "(wmv2") }},
		play{"mpv mmsh", "live", mpv, func(t *testing.T, s server) { mpvPlays(t, s.mmsh("/live"), "(wmv2") }},
		play{"mpv http ts", "ts", mpv, func(t *testing.T, s server) { mpvPlays(t, s.http("/ts"), "(h264") }},
	)
}

// mpvPlays has mpv show 44 frames, after which it ends by itself: a live stream does
// not end before.
func mpvPlays(t *testing.T, url, codec string) {
	t.Helper()
	mpv.run(t, "--no-config --vo=null --ao=null --frames=44", url).succeeded().says("(+) Video --vid=1 " + codec)
}
