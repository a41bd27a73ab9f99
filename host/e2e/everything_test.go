//go:build linux

package e2e

import (
	"bufio"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/e2e/netns"
)

// everythingYAML has each protocol and each announcement of announcedYAML, and those that it
// leaves out, on its one listener.
var everythingYAML = strings.NewReplacer("plugins:\n", `plugins:
  wmpush:
    module: ./wmpush.wasm
    listeners: [web]
    grant: {publish: ["*"]}
  mms:
    module: ./mms.wasm
    listeners: [web]
    grant: {attach: ["*"]}
  rtsp:
    module: ./rtsp.wasm
    listeners: [web]
    grant: {publish: ["*"], attach: ["*"]}
`, "points:\n", `points:
  studio:
    source: push
`).Replace(announcedYAML)

// TestEverythingOnOnePort: three encoders, each by a protocol of its own, players by four
// more, and readers of documents are at one TCP port at the same time. The first bytes of
// each tell what it speaks.
func TestEverythingOnOnePort(t *testing.T) {
	t.Parallel()
	ffmpeg.need(t)
	here, there := netns.New(t), netns.New(t)
	netns.Wire(here, "s0", "10.77.0.1/24", there, "r0", "10.77.0.2/24")
	w := &wired{newAlone(t, here, everythingYAML).serve(), there}
	encoders := []*process{
		w.encodeAs("live", wmv, framed),
		startCommand(t, here.Command(ffmpeg.name, fields([]string{picture, h264, byTCP, "rtsp://127.0.0.1:8080/tv"})...)),
	}
	reel := cutReel(t, encodeFilm(t, "60")) // before the connection, which may not be idle for long
	c := w.dialHere("127.0.0.1:8080")
	wm := &wmEncoder{t: t, to: "127.0.0.1:8080", point: "studio", id: "0", conn: c, in: bufio.NewReader(c), reel: reel}
	t.Cleanup(wm.kill)
	wm.setUp("")
	wm.start()
	w.awaitPoint("tv", "live")
	w.awaitPoint("studio", "live")

	const at = "10.77.0.1:8080/"
	var players []*process
	for _, url := range []string{"mmsh://" + at + "studio", "mmst://" + at + "studio", "mmst://" + at + "live", "http://" + at + "live",
		"http://" + at + "tv.ts", "-rtsp_transport tcp -i rtsp://" + at + "tv"} {
		if !strings.Contains(url, "-i ") {
			url = "-i " + url
		}
		players = append(players, w.start(ffmpeg, progress, url, "-f null -"))
	}
	framesOf(t, players, 1)
	for _, document := range []string{"live.asx", "live.nsc", "live.html", "live.m3u", "live.xspf", "studio.asx", "studio.html", "tv.sdp", "tv.m3u", "tv.html"} {
		text := w.fetch(announcing + document)
		if document == "live.nsc" {
			text = unicastURL(text)
		}
		if !strings.Contains(text, at) {
			t.Errorf("%s does not lead to the port:\n%s", document, text)
		}
	}
	framesOf(t, players, enough)
	for _, c := range players {
		c.undamaged()
	}
	for _, c := range encoders {
		if c.ended() {
			t.Errorf("%s: ended with %v", c.cmd, c.err)
		}
	}
	st := w.status()
	if n := len(st.Listeners); n != 1 {
		t.Errorf("%d listeners", n)
	}
	for _, p := range st.Plugins {
		if p.State != "running" || p.Faults > 0 {
			t.Errorf("plugin %s is %s with %d faults: %+v", p.Name, p.State, p.Faults, p.LastFault)
		}
	}
}
