package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/sample"
)

// wrong is a push that cannot be taken.
type wrong struct {
	name   string
	point  string
	how    string // what ffmpeg is told; empty: it sends body with curl alone
	body   []byte
	status string
	says   string
}

// garbage is no format at all; longer than what curl sends without asking first.
var garbage = bytes.Repeat([]byte("no media here. "), 100_000)

func wrongs() []wrong {
	whole := sample.Demo()
	return []wrong{
		{"unknown point", "nowhere", wmv + framed, whole, "404", "no publishing point"},
		{"busy point", "live", wmv + framed, whole, "409", "has a source already"},
		{"point with a file", "demo", wmv + framed, whole, "409", "demo"},
		{"busy point by ts", "live", h264 + ts, nil, "", ""},
		{"mp4", "spare", "-c:v mpeg4 -c:a aac -movflags frag_keyframe+empty_moov -f mp4 -method PUT", []byte("\x00\x00\x00\x1Cftypisom" + strings.Repeat("\x00", 200)), "415", "neither ASF"},
		{"flv", "spare", "-c:v flv -c:a adpcm_swf -ar 22050 -f flv -method POST", []byte("FLV\x01" + strings.Repeat("\x00", 200)), "415", "Flash"},
		{"garbage", "spare", "-c:v rawvideo -pix_fmt yuv420p -an -f rawvideo -method POST", garbage, "415", "neither ASF"},
		{"truncated header", "spare", "", whole[:500], "400", "before its beginning was complete"},
		{"damaged header", "spare", "", damaged(whole), "400", "damaged"},
		{"empty body", "spare", "", []byte{}, "400", "no body"},
	}
}

// damaged gives the File Properties an impossible size.
func damaged(film []byte) []byte {
	b := bytes.Clone(film[:10_000])
	copy(b[30+16:], "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F") // ASF 3.1: the first object behind the Header Object's 30 bytes
	return b
}

// TestWrongPushes: whoever pushes what cannot be taken hears why at once, encoders by a
// reset since they read no answer. Whoever watches is not disturbed.
func TestWrongPushes(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  live: {source: push}
  spare: {source: push}
  demo: {source: {url: "file:builtin/demo.asf"}}
`)
	s.push(t, "live", wmv+framed)
	bystander := ffmpeg.start(t, progress, "-xerror -i", s.mmsh("/live"), "-f null -")
	bystander.waitFrames(1)
	t.Run("all", func(t *testing.T) {
		for _, w := range wrongs() {
			if w.status != "" {
				t.Run("curl "+w.name, func(t *testing.T) {
					t.Parallel()
					curlRefused(t, s, w)
				})
			}
			if w.how != "" {
				t.Run("ffmpeg "+w.name, func(t *testing.T) {
					t.Parallel()
					ffmpegRefused(t, s, w.point, w.how)
				})
			}
		}
	})
	bystander.waitFrames(enough)
	bystander.undamaged()
	s.WaitPoint("spare", "idle")
	if n := s.Point("spare").Sources; n != 0 {
		t.Errorf("%d sources were let in", n)
	}
	s.Wait("only the right sessions are left", func() bool { return len(s.Sessions("spare"))+len(s.Sessions("nowhere")) == 0 })
}

func curlRefused(t *testing.T, s server, w wrong) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, w.body, 0o600); err != nil {
		t.Fatal(err)
	}
	c := curl.run(t, "-sS -i -X POST --data-binary @"+file, s.http("/"+w.point)).says("HTTP/1.1 " + w.status).says(w.says)
	soon(t, c)
}

// ffmpegRefused: ffmpeg reads no answer; that it ends at all is the reset's doing.
func ffmpegRefused(t *testing.T, s server, point, how string) {
	t.Helper()
	soon(t, ffmpeg.run(t, picture, how, s.http("/"+point)).failed())
}

// soon asserts that a client learned at once. Chosen: it takes about a second to start
// on a busy machine.
func soon(t *testing.T, c *process) {
	t.Helper()
	if c.took > 3*answered {
		t.Errorf("%s: took %v to be refused", c.cmd, c.took)
	}
}

// TestPushDisabled: with the push plugin switched off, encoders are refused at once and
// status says why; those that were pushing are ended.
func TestPushDisabled(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  live: {source: push, grace: 1s}
`)
	encoder := s.push(t, "live", wmv+framed)
	viewer := ffmpeg.start(t, progress, "-i", s.mmsh("/live"), "-f null -")
	viewer.waitFrames(1)
	if err := s.Disable("push", "night shift"); err != nil {
		t.Fatal(err)
	}
	encoder.wait().failed()
	viewer.wait().succeeded()
	curlRefused(t, s, wrong{point: "live", body: sample.Demo(), status: "503", says: ""})
	ffmpegRefused(t, s, "live", wmv+framed)
	ffmpegRefused(t, s, "live", h264+ts)
	if p := s.Plugin("push"); p.State != "disabled" || p.Reason != "night shift" {
		t.Errorf("plugin push is %q because %q", p.State, p.Reason)
	}
	if err := s.Enable("push"); err != nil {
		t.Fatal(err)
	}
	s.push(t, "live", wmv+framed)
	ffmpegPlays(t, s.mmsh("/live"))
}

// TestHugeHead: a request whose head has no end is answered and closed.
func TestHugeHead(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  live: {source: push}
`)
	began := time.Now()
	answer, _ := s.send(t, []byte("POST /live HTTP/1.1\r\nHost: weir\r\nX: "+strings.Repeat("x", 200<<10)))
	if !strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		t.Errorf("answer %.60q", answer)
	}
	if d := time.Since(began); d > answered {
		t.Errorf("answered after %v", d)
	}
	if answer, _ := s.send(t, []byte(strings.Repeat("\x00\xFF", 5000))); answer != "" {
		t.Errorf("bytes that are no protocol were answered %.60q", answer)
	}
}

// TestNoViewerWithoutStream: players that ask for what is not there are told.
func TestNoViewerWithoutStream(t *testing.T) {
	t.Parallel()
	s := serve(t, `
  live: {source: push}
`)
	for _, url := range []string{s.mmsh("/nowhere"), s.http("/nowhere"), s.mmsh("/live"), s.http("/live")} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			ffmpeg.run(t, "-nostdin -i", url, "-f null -").failed()
		})
	}
	for path, status := range map[string]string{"/nowhere": "404", "/live": "503", "/nowhere.asx": "404"} {
		t.Run("curl "+path, func(t *testing.T) {
			t.Parallel()
			curl.run(t, "-sS -i", s.http(path)).says("HTTP/1.1 " + status)
			curl.run(t, "-sS -i -A", player, s.http(path)).says("HTTP/1.1 " + status)
		})
	}
}
