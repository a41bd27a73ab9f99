package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
)

// recorder is a weir that encoders push to by RTSP.
const recorder = `
listeners:
  web: {address: "127.0.0.1:0"}
  rtsp: {address: "127.0.0.1:0"}
plugins:
  rtsp: {module: "builtin:rtsp", listeners: [rtsp], grant: {publish: ["*"]}}
  mpegts: {module: "builtin:mpegts"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
points:
  live: {source: push, grace: 20s}
`

const (
	// reordered is H.264 as ffmpeg makes it when nothing is asked for: with pictures that
	// are decoded before those that are shown earlier.
	reordered = "-c:v libx264 -preset superfast -bf 2 -g 15 -pix_fmt yuv420p "
	byTCP     = "-f rtsp -rtsp_transport tcp "
	byUDP     = "-f rtsp -rtsp_transport udp "
)

func (s server) rtsp(path string) string { return s.URL("rtsp", "rtsp", path) }

// record starts an ffmpeg that pushes by RTSP, and waits until it feeds the point.
func (s server) record(t *testing.T, how string) *process {
	t.Helper()
	sources := s.Point("live").Sources
	c := ffmpeg.start(t, picture, how, s.rtsp("/live"))
	s.Wait("point live is live", func() bool {
		if c.ended() {
			t.Fatalf("%s: ended with %v\n%s", c.cmd, c.err, c.log.String())
		}
		p := s.Point("live")
		return p.State == "live" && p.Sources > sources && len(p.Renditions) > 0
	})
	return c
}

// TestRTSPPush: what a real encoder brings by RTSP is played by HTTP, picture and sound.
func TestRTSPPush(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, how, sound string }{
		{"tcp", reordered + "-c:a aac " + byTCP, "Audio: aac"},
		{"udp", h264 + byUDP, "Audio: aac"},
		{"opus", h264 + "-c:a libopus " + byTCP, "Audio: opus"},
		{"mp2", h264 + "-c:a mp2 " + byUDP, "Audio: mp2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := server{hosttest.Start(t, recorder)}
			encoder := s.record(t, c.how)
			s.WaitMedia("live", 2*time.Second)
			ffmpegPlays(t, s.http("/live.ts"))
			ffmpeg.run(t, progress, "-loglevel repeat+info -i", s.http("/live.ts"), "-map 0:v:0 -map 0:a:0 -t 1 -f null -").succeeded().says("Video: h264").says(c.sound)
			if x := s.Sessions("live"); !slices.ContainsFunc(x, func(x hosttest.Session) bool {
				return x.Plugin == "rtsp" && x.Role == "source" && x.BytesIn > 0
			}) {
				t.Errorf("no session of the encoder: %+v", x)
			}
			encoder.kill()
			s.WaitPoint("live", "waiting")
		})
	}
}

// TestRTSPPushReturns: an encoder is killed and comes back, another way; viewers stay. While
// there is one, another is turned away.
func TestRTSPPushReturns(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, recorder)}
	first := s.record(t, h264+byTCP)
	s.WaitMedia("live", 2*time.Second)
	player := ffmpeg.start(t, progress, "-i", s.http("/live.ts"), "-f null -")
	player.waitFrames(enough / 3) // a second
	before := s.viewers()

	ffmpeg.run(t, picture, h264, byTCP, s.rtsp("/live")).failed().says("455")
	player.waitFrames(1)
	first.kill()
	s.WaitPoint("live", "waiting")
	s.record(t, h264+byUDP)
	player.waitFrames(enough)
	if after := s.viewers(); len(after) != 1 || !slices.Equal(after, before) {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}
}

// TestRTSPPushLogin: an encoder logs in with what stands in its URL, or is told that it must.
func TestRTSPPushLogin(t *testing.T) {
	t.Parallel()
	line, err := access.NewLine(loginName, loginSecret, access.DefaultRealm)
	if err != nil {
		t.Fatal(err)
	}
	s := server{hosttest.Start(t, "access:\n  users_file: users.txt\n  rules:\n    - {points: [live], users: [camera1]}\n"+recorder, hosttest.WithFile("users.txt", []byte(line+"\n")))}
	ffmpeg.run(t, picture, h264, byTCP, s.rtsp("/live")).failed().says("401")
	c := ffmpeg.start(t, picture, h264, byTCP, withLogin(s.rtsp("/live"), credentials))
	s.Wait("point live is live", func() bool { return c.ended() || s.Point("live").State == "live" })
	if c.ended() {
		t.Errorf("ended with %v: %s", c.err, c.log.String())
	}
}

// TestRTSPPushRefused: encoders are told at once what is wrong.
func TestRTSPPushRefused(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, recorder)}
	ffmpeg.run(t, picture, h264, byTCP, s.rtsp("/nowhere")).failed().says("404")
	ffmpeg.run(t, picture, "-c:v mpeg4 -an", byTCP, s.rtsp("/live")).failed().says("415")
	if p := s.Point("live"); p.Sources != 0 {
		t.Errorf("%+v", p)
	}
}
