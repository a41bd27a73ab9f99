package e2e

import (
	"strconv"
	"strings"
	"testing"
)

// TestDemo: the point that needs no encoder plays in the clients that the issue names,
// from the file inside the binary, over and over.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  demo: {source: {url: "file:builtin/demo.asf"}}
`)
	s.WaitPoint("demo", "live")
	for _, p := range []play{
		{"ffmpeg mmsh", "demo", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.mmsh("/demo")) }},
		{"ffmpeg http", "demo", ffmpeg, func(t *testing.T, s server) { ffmpegPlays(t, s.http("/demo")) }},
		{"vlc mmsh", "demo", vlc, func(t *testing.T, s server) { vlcPlays(t, s.mmsh("/demo")) }},
		{"mpv mmsh", "demo", mpv, func(t *testing.T, s server) { mpvPlays(t, s.mmsh("/demo"), "(wmv2") }},
		{"gstreamer http", "demo", gst, func(t *testing.T, s server) { gstPlays(t, s.http("/demo")) }},
		{"ffmpeg loop mmsh", "demo", ffmpeg, func(t *testing.T, s server) { playsOverTheSeam(t, s.mmsh("/demo")) }},
		{"ffmpeg loop http", "demo", ffmpeg, func(t *testing.T, s server) { playsOverTheSeam(t, s.http("/demo")) }},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.client.need(t)
			p.run(t, s)
		})
	}
}

// loopSeconds is longer than the film, which has 20.48 s (host/sample).
const loopSeconds = 24

// playsOverTheSeam decodes more than the whole film, and reads the times of the packets
// as the demuxer gives them: at no place may they go back or jump.
func playsOverTheSeam(t *testing.T, url string) {
	t.Helper()
	length := "-t " + strconv.Itoa(loopSeconds)
	c := ffmpeg.run(t, "-nostdin -hide_banner -loglevel repeat+warning -xerror -i", url,
		"-map 0 -c copy -f framecrc", length, "pipe:1 -map 0:v -map 0:a -f null", length, "-").succeeded().undamaged()
	lastTime := map[string]float64{}
	for line := range strings.SplitSeq(c.out.String(), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		column := strings.Split(line, ",")
		if len(column) < 6 {
			continue
		}
		// stream, dts, pts, duration, size, crc; the muxer of framecrc leaves the ASF time
		// base of a millisecond
		stream := column[0]
		dts, err := strconv.ParseFloat(strings.TrimSpace(column[1]), 64)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if before, ok := lastTime[stream]; ok && (dts <= before || dts > before+maxStep) {
			t.Errorf("stream %s goes from %v to %v ms", stream, before, dts)
		}
		lastTime[stream] = dts
	}
	if len(lastTime) != 2 {
		t.Fatalf("%d streams, 2 expected", len(lastTime))
	}
	for stream, end := range lastTime {
		if end < (loopSeconds-1)*1000 {
			t.Errorf("stream %s ends at %v ms", stream, end)
		}
	}
}

// maxStep is the longest time between two packets of one stream, in ms. The film has
// 25 pictures a second, and a sound packet each 139 ms at most (chosen: a little more).
const maxStep = 200
