package e2e

import "testing"

func init() {
	plays = append(plays,
		play{"ffmpeg mmsh", "live", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.mmsh("/live")) }},
		play{"ffmpeg http asf", "live", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.http("/live")) }},
		play{"ffmpeg http ts", "ts", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.http("/ts.ts")) }},
	)
}

const (
	enough   = 44 // frames that 3 s of a stream with 15 frames a second must give
	progress = "-nostdin -hide_banner -loglevel repeat+warning -progress pipe:1 -stats_period 0.2 "
)

// ffmpegPlays decodes three seconds of a stream's picture and sound, each counted from
// its own beginning: in a transport stream the first sound may be older than the key
// frame before it.
func ffmpegPlays(t *testing.T, url string) {
	t.Helper()
	c := ffmpeg.run(t, progress, "-i", url, "-vf setpts=PTS-STARTPTS -af asetpts=PTS-STARTPTS -t 3 -f null -").succeeded().undamaged()
	if n := c.frames(); n < enough {
		t.Errorf("%d frames decoded in 3 s of stream, %d expected", n, enough)
	}
}
