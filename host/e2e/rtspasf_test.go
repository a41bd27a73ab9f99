package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
)

// asfServer is a weir whose ASF is also to be had by RTSP.
const asfServer = `
listeners:
  web: {address: "127.0.0.1:0"}
  rtsp: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  mpegts: {module: "builtin:mpegts"}
  rtsp: {module: "builtin:rtsp", listeners: [web, rtsp], grant: {attach: ["*"]}}
  rtpasf: {module: "builtin:rtpasf", grant: {attach: ["*"]}}
points:
  live: {source: push, grace: 20s}
  large: {source: push}
`

// TestRTSPOfASF: ffmpeg and players made of it play ASF by RTSP, each on the shared port or on
// that for RTSP alone, from packets that fit one RTP packet and from those that do not.
func TestRTSPOfASF(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, asfServer)}
	s.push(t, "live", wmv+framed)
	s.push(t, "large", wmv+"-packet_size 20000 "+framed)
	s.WaitMedia("live", 2*time.Second)
	s.WaitMedia("large", 2*time.Second)
	shared, own := s.URL("web", "rtsp", "/live"), s.rtsp("/live")
	for _, c := range []struct {
		name   string
		player program
		play   func(t *testing.T)
	}{
		{"ffmpeg tcp", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "tcp", shared) }},
		{"ffmpeg tcp own port", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "tcp", own) }},
		{"ffmpeg udp, then tcp", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "udp+tcp", shared) }},
		{"ffmpeg large packets", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "tcp", s.rtsp("/large")) }},
		{"ffmpeg pictures only", ffmpeg, func(t *testing.T) {
			ffmpeg.run(t, progress, "-loglevel repeat+info -rtsp_transport tcp -allowed_media_types video -i", own, "-t 1 -f null -").succeeded().says("Video: wmv2")
		}},
		{"ffmpeg sound only", ffmpeg, func(t *testing.T) {
			ffmpeg.run(t, progress, "-loglevel repeat+info -rtsp_transport tcp -allowed_media_types audio -i", own, "-t 1 -f null -").succeeded().says("Audio: wmav2")
		}},
		{"mpv", mpv, func(t *testing.T) { mpvPlays(t, shared, "(wmv2") }},
		{"mplayer", mplayer, func(t *testing.T) { mplayerPlays(t, own) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.player.need(t)
			c.play(t)
		})
	}
}

// TestRTSPOfASFReturn: a source that returns goes on for a player; with another header it ends
// the player's session.
func TestRTSPOfASFReturn(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, asfServer)}
	encoder := s.push(t, "live", wmv+framed)
	s.WaitMedia("live", time.Second)
	player := ffmpeg.start(t, progress, "-rtsp_transport tcp -i", s.rtsp("/live"), "-f null -")
	player.waitFrames(enough / 2)
	before := fmt.Sprint(s.viewers())
	encoder.kill()
	s.WaitPoint("live", "waiting")
	encoder = s.push(t, "live", wmv+framed)
	player.waitFrames(enough)
	if after := fmt.Sprint(s.viewers()); after != before || before == "[]" {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}
	encoder.kill()
	s.WaitPoint("live", "waiting")
	s.push(t, "live", "-c:v msmpeg4 -g 30 -an "+framed)
	player.wait()
}

// TestRTSPOfASFLater: that a point carries ASF is known behind OPTIONS alone where it wants a
// login, or its source is slow: ffmpeg is sent to begin anew.
func TestRTSPOfASFLater(t *testing.T) {
	t.Parallel()
	from := serve(t, "\n  tv: {source: push}\n")
	from.push(t, "tv", wmv+framed)
	from.WaitMedia("tv", 2*time.Second)
	line, err := access.NewLine(loginName, loginSecret, access.DefaultRealm)
	if err != nil {
		t.Fatal(err)
	}
	s := server{hosttest.Start(t, fmt.Sprintf(`
access:
  users_file: users.txt
  rules: [{points: [basic], users: [camera1], methods: [basic]}, {points: [digest], users: [camera1], methods: [digest]}]
listeners:
  rtsp: {address: "127.0.0.1:0"}
plugins:
  asf: {module: "builtin:asf"}
  rtsp: {module: "builtin:rtsp", listeners: [rtsp], grant: {attach: ["*"]}}
  rtpasf: {module: "builtin:rtpasf", grant: {attach: ["*"]}}
  pull: {module: "builtin:pull", grant: {publish: ["*"], dial: ["tcp:127.0.0.1:*"]}}
points:
  basic: {source: {url: %[1]q}}
  digest: {source: {url: %[1]q}}
  demand: {source: {url: %[1]q, start: demand, idle: 1s}}
`, from.http("/tv")), hosttest.WithFile("users.txt", []byte(line+"\n")))}
	for _, point := range []string{"basic", "digest"} {
		s.WaitRendition(point, "rtp-asf")
		t.Run(point, func(t *testing.T) { ffmpegRTSP(t, "tcp", withLogin(s.rtsp("/"+point), credentials)) })
	}
	t.Run("demand", func(t *testing.T) { ffmpegRTSP(t, "tcp", s.rtsp("/demand")) })
}

// TestRTSPOfASFNames: a server calls itself one of Windows Media at a point of ASF alone, and
// gives no UDP there.
func TestRTSPOfASFNames(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, asfServer)}
	s.push(t, "live", wmv+framed)
	s.push(t, "large", h264+ts)
	s.WaitRendition("live", "rtp-asf")
	for _, c := range []struct{ request, want, server string }{
		{"OPTIONS * RTSP/1.0\r\n", "200 OK", "weir"},
		{"OPTIONS " + s.rtsp("/live") + " RTSP/1.0\r\n", "200 OK", "WMServer/"},
		{"OPTIONS " + s.rtsp("/large") + " RTSP/1.0\r\n", "200 OK", "weir"},
		{"OPTIONS " + s.rtsp("/nothing") + " RTSP/1.0\r\n", "200 OK", "weir"},
		{"SETUP " + s.rtsp("/live/asfID=1") + " RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n", "461 Unsupported Transport", "weir"},
		{"SETUP " + s.rtsp("/large/asfID=1") + " RTSP/1.0\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", "404 Not Found", "weir"},
	} {
		got := asksRTSP(t, s.Addr("rtsp"), c.request+"CSeq: 0\r\n\r\n")
		if want := "RTSP/1.0 " + c.want + "\r\nCSeq: 0\r\nServer: " + c.server; !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", c.request, got, want)
		}
	}
}
