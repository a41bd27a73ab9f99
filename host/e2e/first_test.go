package e2e

import (
	"testing"
	"time"
)

// TestFirstPicture: a viewer's first picture comes at once, from the newest key frame,
// although the next one is many seconds away.
func TestFirstPicture(t *testing.T) {
	t.Parallel()
	// A key frame each 20 s, that is each 300 frames.
	const keyInterval = 20 * time.Second
	s := serve(t, `
  live: {source: push}
  ts: {source: push}
`)
	s.push(t, "live", "-c:v wmv2 -g 300 -keyint_min 300 -sc_threshold 1000000000 -b:v 300k -c:a wmav2 "+framed)
	s.push(t, "ts", "-c:v libx264 -preset ultrafast -tune zerolatency -g 300 -keyint_min 300 -sc_threshold 0 -pix_fmt yuv420p -c:a aac "+ts)
	for _, c := range []struct{ name, point, url string }{
		{"mmsh", "live", s.mmsh("/live")},
		{"http asf", "live", s.http("/live")},
		{"http ts", "ts", s.http("/ts")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const age = 6 * time.Second
			s.WaitMedia(c.point, age)
			first := ffmpeg.run(t, progress, "-i", c.url, "-frames:v 1 -an -f null -").succeeded().undamaged()
			if n := first.frames(); n != 1 {
				t.Errorf("%d frames decoded, 1 expected", n)
			}
			// Waiting for the next key frame would take 14 s; the client itself needs a part
			// of a second.
			if wait := keyInterval - age; first.took > wait/2 {
				t.Errorf("the first picture took %v; the next key frame was %v away", first.took, wait)
			}
			t.Logf("first picture after %v", first.took)
		})
	}
}
