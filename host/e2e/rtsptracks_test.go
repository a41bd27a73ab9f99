package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// trackServer is a weir whose points are also to be had as tracks by RTSP.
const trackServer = `
listeners:
  web: {address: "127.0.0.1:0"}
  rtsp: {address: "127.0.0.1:0"}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  rtsp: {module: "builtin:rtsp", listeners: [web, rtsp], grant: {attach: ["*"], publish: ["*"]}}
  rtptracks: {module: "builtin:rtptracks", grant: {attach: ["*"]}}
  mpegts: {module: "builtin:mpegts"}
points:
  live: {source: push, grace: 20s}
  old: {source: push}
`

// TestRTSPTracks: what ffmpeg pushes by RTSP is played as H.264 and AAC by players of four makes,
// and as a transport stream by those that know no other.
func TestRTSPTracks(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, trackServer)}
	s.record(t, reordered+"-c:a aac "+byTCP)
	s.WaitMedia("live", 2*time.Second)
	url := s.rtsp("/live?tracks")
	for _, c := range []struct {
		name   string
		player program
		play   func(t *testing.T)
	}{
		{"ffmpeg tcp", ffmpeg, func(t *testing.T) { ffmpegFirst(t, url) }}, // how many in how long is for GStreamer: ffmpeg gives no time to some of the first
		{"ffmpeg udp, then tcp", ffmpeg, func(t *testing.T) {
			ffmpeg.run(t, progress, "-loglevel repeat+info -i", url, "-map 0:v:0 -map 0:a:0 -t 1 -f null -").succeeded().says("Video: h264").says("Audio: aac")
		}},
		{"ffmpeg pictures only", ffmpeg, func(t *testing.T) {
			ffmpeg.run(t, progress, "-loglevel repeat+info -rtsp_transport tcp -allowed_media_types video -i", url, "-t 1 -f null -").succeeded().says("Video: h264")
		}},
		{"gstreamer", gst, func(t *testing.T) { gstTracks(t, url) }},
		{"mpv", mpv, func(t *testing.T) { mpvPlays(t, "--rtsp-transport=tcp "+url, "(h264") }},
		{"vlc", vlc, func(t *testing.T) { vlcPlays(t, url) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.player.need(t)
			c.play(t)
		})
	}
}

// gstTracks has GStreamer show 44 pictures at their times, and play sound beside them, each
// by the depayloader of its codec.
func gstTracks(t *testing.T, url string) {
	t.Helper()
	c := gst.start(t, "-v rtspsrc location="+url+" name=s s. ! rtph264depay ! h264parse ! avdec_h264 ! fakesink name=pictures sync=true silent=false "+
		"s. ! rtpmp4gdepay ! aacparse ! avdec_aac ! fakesink name=sound sync=true silent=false")
	shown, heard := 0, 0
	hosttest.Eventually(t, "GStreamer has shown pictures and played sound", func() bool {
		out := c.out.String()
		shown, heard = strings.Count(out, "pictures:sink"), strings.Count(out, "sound:sink")
		return shown >= enough && heard >= enough || c.ended()
	})
	if shown < enough || heard < enough {
		t.Errorf("GStreamer ended with %v after %d pictures and %d frames of sound, %d expected", c.err, shown, heard, enough)
	}
}

// TestRTSPTracksRefused: a point that has nothing of which tracks can be made, tracks over UDP, and a
// track that there is not.
func TestRTSPTracksRefused(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, trackServer)}
	s.push(t, "old", "-c:v mpeg2video -an "+ts)
	s.push(t, "live", "-an "+h264+ts)
	s.WaitMedia("old", time.Second)
	s.WaitPoint("live", "live")
	ffmpeg.run(t, progress, "-i", s.URL("web", "rtsp", "/old?tracks"), "-f null -").failed().says("404")
	url := s.URL("web", "rtsp", "/live")
	for _, c := range []struct{ path, transport, want string }{
		{"/trackID=1", "RTP/AVP;unicast;client_port=5000-5001", "461 Unsupported Transport"},
		{"/trackID=1", "RTP/AVP;multicast", "461 Unsupported Transport"},
		{"/trackID=2", "RTP/AVP/TCP;unicast;interleaved=0-1", "404 Not Found"},
		{"/trackID=1", "RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast;interleaved=4-5", "200 OK"},
	} {
		got := asksRTSP(t, s.Addr("web"), fmt.Sprintf("SETUP %s%s RTSP/1.0\r\nCSeq: 0\r\nTransport: %s\r\n\r\n", url, c.path, c.transport))
		if !strings.HasPrefix(got, "RTSP/1.0 "+c.want+"\r\nCSeq: 0\r\n") {
			t.Errorf("SETUP %s: %q, want %q", c.path, got, c.want)
		}
	}
}

// TestRTSPTracksReturn: a source that returns goes on for a player of tracks.
func TestRTSPTracksReturn(t *testing.T) {
	t.Parallel()
	s := server{hosttest.Start(t, trackServer)}
	encoder := s.record(t, h264+byTCP)
	s.WaitPoint("live", "live")
	player := ffmpeg.start(t, progress, "-rtsp_transport tcp -i", s.rtsp("/live?tracks"), "-f null -")
	player.waitFrames(enough / 2)
	before := fmt.Sprint(s.viewers())
	encoder.kill()
	s.WaitPoint("live", "waiting")
	s.record(t, h264+byTCP)
	player.waitFrames(enough)
	if after := fmt.Sprint(s.viewers()); after != before || before == "[]" {
		t.Errorf("viewers before the gap: %v; after it: %v", before, after)
	}
}
