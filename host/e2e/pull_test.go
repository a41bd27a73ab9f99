package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
)

// pulling adds the plugin that dials.
const pulling = "  pull: {module: \"builtin:pull\", grant: {publish: [\"*\"], dial: [\"tcp:127.0.0.1:*\"]}}\npoints:\n"

func servePull(t *testing.T, points string) server {
	t.Helper()
	return server{hosttest.Start(t, strings.Replace(plugins, "points:\n", pulling, 1)+points)}
}

// freeTCP is a port that nothing on the loopback listens at.
func freeTCP(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestPullFromFFmpeg: an ffmpeg that waits for one client at all is that client's encoder.
// When it dies and comes back, viewers go on over the connections that they have.
func TestPullFromFFmpeg(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, scheme, how, play string }{
		{"framed", "http", wmv + "-listen 1 -f asf_stream", "mmsh"},
		{"mmsh", "mmsh", wmv + "-listen 1 -f asf_stream", "http"},
		{"plain", "http", wmv + "-listen 1 -f asf", "mmsh"},
		{"ts", "http", h264 + "-listen 1 -f mpegts", "http"},
		{"bare", "tcp", h264 + "-f mpegts", "http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := freeTCP(t)
			at := fmt.Sprintf("http://127.0.0.1:%d/x", port)
			url := fmt.Sprintf("%s://127.0.0.1:%d/x", c.scheme, port)
			if c.scheme == "tcp" {
				at, url = fmt.Sprintf("tcp://127.0.0.1:%d?listen", port), fmt.Sprintf("tcp://127.0.0.1:%d", port)
			}
			first := ffmpeg.start(t, picture, c.how, at)
			s := servePull(t, fmt.Sprintf("  live: {source: {url: %q}, grace: 20s}\n", url))
			s.WaitMedia("live", time.Second)
			player := ffmpeg.start(t, progress, "-i", s.URL("web", c.play, "/live"), "-f null -")
			player.waitFrames(enough)
			before := s.viewers()

			first.kill()
			ffmpeg.start(t, picture, c.how, at)
			player.waitFrames(enough)
			if after := s.viewers(); len(after) != 1 || after[0] != before[0] {
				t.Errorf("viewers before the gap: %v; after it: %v", before, after)
			}
			if n := s.Point("live").Sources; n < 2 {
				t.Errorf("%d sources", n)
			}
		})
	}
}

// TestPullFromWeir: a second server as the source, by each protocol that it speaks.
func TestPullFromWeir(t *testing.T) {
	t.Parallel()
	from := serve(t, "  demo: {source: {url: \"file:builtin/demo.asf\"}}\n  ts: {source: push}\n")
	from.push(t, "ts", h264+ts)
	from.WaitMedia("demo", time.Second)
	s := servePull(t, fmt.Sprintf(`  relay: {source: {url: %q}}
  raw: {source: {url: %q}}
  tv: {source: {url: %q}}
  stranger: {source: {url: %q}}
`, from.mmsh("/demo"), from.http("/demo.asf"), from.http("/ts.ts"), from.http("/ts")))
	for _, url := range []string{s.mmsh("/relay"), s.http("/raw"), s.http("/tv"), s.http("/stranger")} {
		t.Run(url[strings.LastIndex(url, "/")+1:], func(t *testing.T) {
			t.Parallel()
			ffmpegPlays(t, url)
		})
	}
}

// TestPullFromVLC: VLC as a Windows Media server, which answers a player's two requests.
func TestPullFromVLC(t *testing.T) {
	t.Parallel()
	vlc.need(t)
	folder := openFolder(t)
	film := filepath.Join(folder, "demo.asf")
	if err := os.WriteFile(film, sample.Demo(), 0o644); err != nil {
		t.Fatal(err)
	}
	port := freeTCP(t)
	startCommand(t, vlcCommand(folder, film, "--loop", "--sout-keep", fmt.Sprintf("--sout=#std{access=mmsh,mux=asfh,dst=127.0.0.1:%d/live}", port)))
	s := servePull(t, fmt.Sprintf("  live: {source: {url: \"mmsh://127.0.0.1:%d/live\"}}\n", port))
	s.WaitMedia("live", time.Second)
	ffmpegPlays(t, s.mmsh("/live"))
}

// TestPullOnDemand: the source runs from the first viewer's request, who gets pictures, till
// some time after the last has left, and again.
func TestPullOnDemand(t *testing.T) {
	t.Parallel()
	from := serve(t, "  demo: {source: {url: \"file:builtin/demo.asf\"}}\n")
	s := servePull(t, fmt.Sprintf("  relay: {source: {url: %q, start: demand, idle: 1s}}\n", from.mmsh("/demo")))
	for n := range uint64(2) {
		if p := s.WaitPoint("relay", "idle"); p.Sources != n || from.Point("demo").Viewers != 0 {
			t.Fatalf("%d sources of %d while nobody watches", p.Sources, n)
		}
		ffmpegPlays(t, s.mmsh("/relay"))
		s.WaitPoint("relay", "idle")
		from.WaitViewers("demo", 0)
	}
	s.WaitPoint("relay", "idle")
}

// TestPullRefused: what cannot be had is said in the point's status, and tried again after
// a time that doubles.
func TestPullRefused(t *testing.T) {
	t.Parallel()
	nobody := freeTCP(t)
	from := serve(t, "  idle: {source: push}\n")
	s := servePull(t, fmt.Sprintf(`  gone: {source: {url: "http://user:secret@127.0.0.1:%d/x"}}
  foreign: {source: {url: "http://192.0.2.1:8080"}}
  inner: {source: {url: "http://[::1]:%d/x"}}
  nothing: {source: {url: %q}}
  waiting: {source: {url: %q}}
  demand: {source: {url: "http://127.0.0.1:%d/x", start: demand}}
`, nobody, nobody, from.http("/nix"), from.mmsh("/idle"), nobody))
	for point, want := range map[string]string{
		"gone":    fmt.Sprintf("http://127.0.0.1:%d/x cannot be reached: 127.0.0.1:%d: connection refused", nobody, nobody),
		"foreign": `connecting to 192.0.2.1:8080 is not granted to this plugin in plugins.yaml (grant: dial: ["tcp:192.0.2.1:8080"])`,
		"inner":   `is not granted`,
		"nothing": "answered 404",
		"waiting": "answered 503",
	} {
		if p := s.WaitPoint(point, "failed"); !strings.Contains(p.Reason, want) {
			t.Errorf("%s: %q, want %q", point, p.Reason, want)
		}
	}
	s.Wait("the second try", func() bool { return strings.Contains(s.Log(), "point=gone") && strings.Contains(s.Log(), "in=2s") })
	if strings.Contains(s.Log(), "secret") {
		t.Error("the password is in the log")
	}
	began := time.Now()
	curl.run(t, "-sS -i", s.http("/demand")).says("503").says("Retry-After")
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("a refused connection is waited for, %v", took)
	}
}
