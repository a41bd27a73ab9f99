package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// rtspServer is a weir that speaks RTSP on a port of its own, and on one that it shares
// with HTTP.
const rtspServer = `
listeners:
  web: {address: "127.0.0.1:0"}
  rtsp: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  mpegts: {module: "builtin:mpegts"}
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
  rtsp: {module: "builtin:rtsp", listeners: [web, rtsp], grant: {attach: ["*"]}}
points:
  live: {source: push, grace: 20s}
  idle: {source: push}
`

// TestRTSP: players of five makes play over UDP and over TCP, each on the shared port or on
// that for RTSP alone.
func TestRTSP(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, rtspServer)}
	s.push(t, "live", h264+ts)
	s.WaitMedia("live", 2*time.Second)
	shared, own := s.URL("web", "rtsp", "/live"), s.URL("rtsp", "rtsp", "/live")
	for _, c := range []struct {
		name   string
		player program
		play   func(t *testing.T)
	}{
		{"ffmpeg tcp", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "tcp", shared) }},
		{"ffmpeg udp", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "udp", shared) }},
		{"ffmpeg tcp own port", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "tcp", own) }},
		{"ffmpeg udp own port", ffmpeg, func(t *testing.T) { ffmpegRTSP(t, "udp", own) }},
		{"gstreamer tcp", gst, func(t *testing.T) { gstRTSP(t, "tcp", shared) }},
		{"gstreamer udp", gst, func(t *testing.T) { gstRTSP(t, "udp", own) }},
		{"mpv tcp", mpv, func(t *testing.T) { mpvPlays(t, "--rtsp-transport=tcp "+own, "(h264") }},
		{"mpv udp", mpv, func(t *testing.T) { mpvPlays(t, "--rtsp-transport=udp "+shared, "(h264") }},
		{"mplayer udp", mplayer, func(t *testing.T) { mplayerRTSP(t, shared) }},
		{"vlc udp", vlc, func(t *testing.T) { vlcPlays(t, shared) }},
		{"vlc udp own port", vlc, func(t *testing.T) { vlcPlays(t, own) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.player.need(t)
			c.play(t)
		})
	}
}

// ffmpegRTSP decodes three seconds of a stream without a complaint.
func ffmpegRTSP(t *testing.T, transport, url string) {
	t.Helper()
	c := ffmpeg.run(t, progress, "-rtsp_transport", transport, "-i", url, "-vf setpts=PTS-STARTPTS -af asetpts=PTS-STARTPTS -t 3 -f null -").succeeded().undamaged()
	if n := c.frames(); n < enough {
		t.Errorf("%d frames decoded in 3 s of stream, %d expected", n, enough)
	}
}

// gstRTSP has GStreamer show 44 pictures at their times.
func gstRTSP(t *testing.T, protocol, url string) {
	t.Helper()
	c := gst.start(t, "-v rtspsrc location="+url+" protocols="+protocol+" ! rtpmp2tdepay ! tsdemux ! h264parse ! avdec_h264 ! fakesink sync=true silent=false")
	shown := 0
	hosttest.Eventually(t, "GStreamer has shown pictures", func() bool {
		shown = strings.Count(c.out.String(), "last-message = chain ")
		return shown >= enough || c.ended()
	})
	if shown < enough {
		t.Errorf("GStreamer ended with %v after %d pictures, %d expected", c.err, shown, enough)
	}
}

// mplayerRTSP has mplayer show 44 frames that came by its own RTSP, not by that of
// libavformat. Its own demuxer would first read megabytes, by HTTP too.
func mplayerRTSP(t *testing.T, url string) {
	t.Helper()
	mplayer.run(t, "-v -vo null -ao null -nolirc -noconsolecontrols -demuxer lavf -frames 44", url).succeeded().
		says("STREAM: [rtsp]").says("VIDEO:  [H264]").says("Exiting... (End of file)")
}

// TestRTSPSessionEnds: a player that goes takes its session with it, over TCP and over UDP,
// and a source that returns goes on for those that stay.
func TestRTSPSessionEnds(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, rtspServer)}
	encoder := s.push(t, "live", h264+ts)
	s.WaitMedia("live", time.Second)
	url := s.URL("web", "rtsp", "/live")
	var players []*process
	for _, transport := range []string{"tcp", "udp"} {
		players = append(players, ffmpeg.start(t, progress, "-rtsp_transport", transport, "-i", url, "-f null -"))
	}
	framesOf(t, players, enough/3) // a second
	before := fmt.Sprint(s.viewers())
	encoder.kill()
	s.push(t, "live", h264+ts)
	framesOf(t, players, enough)
	if after := fmt.Sprint(s.viewers()); after != before {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}
	for _, c := range players {
		c.kill()
	}
	s.Wait("the sessions have ended", func() bool { return len(s.viewers()) == 0 })
}

// TestRTSPRefusals: what players are told in RTSP's words.
func TestRTSPRefusals(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, rtspServer)}
	url := s.URL("web", "rtsp", "/")
	for _, c := range []struct{ method, path, fields, want string }{
		{"DESCRIBE", "nothing", "Accept: application/sdp\r\n", "404 Not Found"},
		{"DESCRIBE", "idle", "", "503 Service Unavailable"},
		{"DESCRIBE", "idle", "Accept: text/html\r\n", "406 Not Acceptable"},
		{"SETUP", "idle", "Transport: RTP/SAVP;unicast;client_port=5000-5001\r\n", "461 Unsupported Transport"},
		{"SETUP", "idle", "Transport: RTP/AVP;multicast\r\n", "461 Unsupported Transport"},
		{"PLAY", "idle", "Session: 12345678\r\n", "454 Session Not Found"},
		{"PLAY", "idle", "", "455 Method Not Valid in This State"},
		{"TEARDOWN", "idle", "", "454 Session Not Found"},
		{"REDIRECT", "idle", "", "501 Not Implemented"},
		{"OPTIONS", "idle", "", "200 OK"},
	} {
		got := asksRTSP(t, s.Addr("web"), fmt.Sprintf("%s %s%s RTSP/1.0\r\nCSeq: 0\r\n%s\r\n", c.method, url, c.path, c.fields))
		if want := "RTSP/1.0 " + c.want + "\r\nCSeq: 0\r\n"; !strings.HasPrefix(got, want) {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, want)
		}
	}
}

// asksRTSP sends a request and gives the head of the answer.
func asksRTSP(t *testing.T, to, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	var head []byte
	for b := make([]byte, 512); !strings.Contains(string(head), "\r\n\r\n"); {
		n, err := c.Read(b)
		if head = append(head, b[:n]...); err != nil {
			t.Fatalf("after %q: %v", head, err)
		}
	}
	return string(head)
}
