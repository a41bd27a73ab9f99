package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shout has a client on libshout push to a point. It asks first whether it may, and sends
// nothing before it is told to begin.
func (s server) shout(t *testing.T, point string, start func() *process) *process {
	t.Helper()
	c := start()
	s.Wait("point "+point+" is live", func() bool {
		if c.ended() {
			t.Fatalf("%s: ended with %v\n%s", c.cmd, c.err, c.log.String())
		}
		p := s.Point(point)
		return p.State == "live" && len(p.Renditions) > 0
	})
	return c
}

// vlcShouts has VLC push a file, over and over, to a mount.
func (s server) vlcShouts(t *testing.T, mux, file, login, mount string) *process {
	t.Helper()
	vlc.need(t)
	dst := login + "@" + s.Addr("web") + "/" + mount
	return startCommand(t, vlcCommand(openFolder(t), file, "--loop", "--sout-keep", "--sout=#std{access=shout,mux="+mux+",dst="+dst+"}"))
}

// gstShouts has GStreamer push what a pipeline makes.
func (s server) gstShouts(t *testing.T, pipeline, password, mount string) *process {
	t.Helper()
	host, port, _ := strings.Cut(s.Addr("web"), ":")
	return gst.start(t, "-q "+pipeline+" ! shout2send ip="+host+" port="+port+" username="+loginName+" password="+password+" mount=/"+mount)
}

const (
	gstOgg  = "audiotestsrc is-live=true ! vorbisenc ! oggmux"
	gstWebM = "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 ! vp8enc deadline=1 keyframe-max-dist=25 ! webmmux streamable=true"
)

// TestShout has source clients that are built on libshout push as they do to icecast, and
// players take what they send.
func TestShout(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  vlc.ogg: {source: push}
  gst.ogg: {source: push}
  gst.webm: {source: push}
`)
	song := filepath.Join(openFolder(t), "song.ogg")
	ffmpeg.run(t, "-v error -f lavfi -i sine=440 -t 60 -c:a libvorbis", song).succeeded()
	s.shout(t, "vlc.ogg", func() *process { return s.vlcShouts(t, "ogg", song, "source:any", "vlc.ogg") })
	s.shout(t, "gst.ogg", func() *process { return s.gstShouts(t, gstOgg, "any", "gst.ogg") })
	s.shout(t, "gst.webm", func() *process { return s.gstShouts(t, gstWebM, "any", "gst.webm") })
	for _, p := range []struct {
		name, point string
		run         func(t *testing.T)
	}{
		{"ffmpeg from vlc", "vlc.ogg", func(t *testing.T) { sounds(t, s.http("/vlc.ogg"), 3) }},
		{"ffmpeg from gstreamer", "gst.ogg", func(t *testing.T) { sounds(t, s.http("/gst.ogg"), 3) }},
		{"ffmpeg webm from gstreamer", "gst.webm", func(t *testing.T) { ffmpegPlays(t, s.http("/gst.webm")) }},
		{"mpv webm from gstreamer", "gst.webm", func(t *testing.T) { mpvPlays(t, s.http("/gst.webm"), "(*) 'Video' (vp8") }},
		{"mpv from vlc", "vlc.ogg", func(t *testing.T) { mpvListens(t, s.http("/vlc.ogg")) }},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s.WaitMedia(p.point, time.Second)
			p.run(t)
		})
	}
}

// TestShoutLogsIn: their credentials count, and whoever has others is refused before the
// first byte of the stream.
func TestShoutLogsIn(t *testing.T) {
	t.Parallel()
	s := guarded(t)
	wrong := s.gstShouts(t, gstOgg, "x", "spare")
	s.shout(t, "any", func() *process { return s.gstShouts(t, gstOgg, loginSecret, "any") })
	wrong.wait().failed()
	s.refusesShout(t)
	song := filepath.Join(openFolder(t), "song.ogg")
	ffmpeg.run(t, "-v error -f lavfi -i sine=440 -t 60 -c:a libvorbis", song).succeeded()
	s.shout(t, "spare", func() *process { return s.vlcShouts(t, "ogg", song, strings.TrimSuffix(credentials, "@"), "spare") })
}

// refusesShout has GStreamer push to a point that has a source, which it is told at once.
func (s server) refusesShout(t *testing.T) {
	t.Helper()
	sources := s.Point("any").Sources
	s.gstShouts(t, gstOgg, loginSecret, "any").wait().failed()
	if n := s.Point("any").Sources; n != sources {
		t.Errorf("%d sources came to a point that has one", n-sources)
	}
}
