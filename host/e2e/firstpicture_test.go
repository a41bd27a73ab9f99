//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// opener is a player that is told which protocol to play by.
type opener struct {
	name   string
	client program
	scheme string
	// preroll is how much of a stream from the network the player takes in before it shows
	// any, beside what it takes of a file.
	preroll time.Duration
	first   func(*rolling, *testing.T, string) *process
}

var openers = []opener{
	{"vlc", vlc, "http", 0, (*rolling).vlcFirst},
	{"vlc", vlc, "rtsp", 0, (*rolling).vlcFirst},
	{"mplayer", mplayer, "http", 0, (*rolling).mplayerFirst},
	{"mplayer", mplayer, "rtsp", 5 * time.Second, (*rolling).mplayerFirst}, // libavformat analyses that much (analyzeduration)
	{"mpv", mpv, "http", 0, (*rolling).mpvFirst},
	{"mpv", mpv, "rtsp", 0, (*rolling).mpvFirst},
	{"ffmpeg", ffmpeg, "http", 0, (*rolling).ffmpegFirst},
	{"ffmpeg", ffmpeg, "rtsp", 0, (*rolling).ffmpegFirst},
	{"gstreamer", gst, "http", 2 * time.Second, (*rolling).gstFirst}, // uridecodebin buffers what comes over a network, and no file
	{"gstreamer", gst, "rtsp", 2 * time.Second, (*rolling).gstFirst}, // latency of rtspsrc
}

// films has ffmpeg write what players are fed as files: ASF for http, a transport stream for
// rtsp.
func (r *rolling) films() map[string]string {
	r.t.Helper()
	films := map[string]string{"http": filepath.Join(r.dir, "film.asf"), "rtsp": filepath.Join(r.dir, "film.ts")}
	source := strings.Replace(picture, "-re ", "", 1)
	ffmpeg.run(r.t, source, wmv, "-t 6", films["http"]).succeeded()
	ffmpeg.run(r.t, source, h264, "-t 6", films["rtsp"]).succeeded()
	return films
}

// opens has a player show its first picture of a file, and of the stream: that is at most two
// seconds later, beside its preroll.
func (r *rolling) opens(t *testing.T, o opener, films map[string]string) {
	t.Helper()
	const all = "127.0.0.1:8084"
	url := map[string]string{"http": "http://" + all + "/live", "rtsp": "rtsp://" + all + "/tv"}[o.scheme]
	by := roller{client: o.client}
	own := time.Duration(0)
	for i := range 2 {
		p := o.first(r, t, films[o.scheme])
		if !p.shown(by) {
			t.Fatalf("%s shows nothing of a file", o.name)
		}
		if i > 0 { // the first start of a program reads it from the disk
			own = p.took + o.preroll
		}
	}
	p := o.first(r, t, url)
	for n := 1; n < tries && p.took > own+mostRollover; n++ {
		if again := o.first(r, t, url); again.took < p.took {
			p = again
		}
	}
	if !p.shown(by) {
		t.Errorf("%s shows nothing of %s", o.name, url)
	}
	if p.took > own+mostRollover {
		t.Errorf("%s at %s: took %v, for itself %v", o.name, url, p.took, own)
	}
	const unit = 10 * time.Millisecond
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table = append(r.table, fmt.Sprintf("%s\t%s\tone\t%s\t%v\t%v\t%v", o.name, o.scheme, url, p.took.Round(unit), own.Round(unit), max(0, p.took-own).Round(unit)))
}

func (r *rolling) mplayerFirst(t *testing.T, url string) *process {
	t.Helper()
	words := "-vo null -ao null -nolirc -noconsolecontrols -frames 1"
	if !strings.HasPrefix(url, "http") && !strings.HasSuffix(url, ".asf") {
		words += " -demuxer lavf" // its own reads megabytes of a transport stream first
	}
	return r.run(t, mplayer, words, url)
}

func (r *rolling) mpvFirst(t *testing.T, url string) *process {
	t.Helper()
	return r.run(t, mpv, "--no-config --vo=null --ao=null --frames=1", url)
}

// gstFirst runs GStreamer until it tells of a picture.
func (r *rolling) gstFirst(t *testing.T, url string) *process {
	t.Helper()
	if strings.HasPrefix(url, "/") {
		url = "file://" + url
	}
	words := "-v uridecodebin uri=" + url + " ! video/x-raw ! fakesink sync=true silent=false"
	c := startCommand(t, r.space.Command(gst.name, strings.Fields(words)...))
	hosttest.Eventually(t, "GStreamer shows a picture", func() bool { return c.shown(roller{client: gst}) || c.ended() })
	c.kill()
	return c
}
