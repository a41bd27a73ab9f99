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

// listening is an encoder that waits for one client.
type listening struct{ name, scheme, how, play string }

var listeners = []listening{
	{"framed", "http", wmv + "-listen 1 -f asf_stream", "mmsh"},
	{"mmsh", "mmsh", wmv + "-listen 1 -f asf_stream", "http"},
	{"plain", "http", wmv + "-listen 1 -f asf", "mmsh"},
	{"ts", "http", h264 + "-listen 1 -f mpegts", "http"},
	{"bare", "tcp", h264 + "-f mpegts", "http"},
}

// TestPullFromFFmpeg: an ffmpeg that waits for one client at all is that client's encoder.
// When it dies and comes back, viewers go on over the connections that they have.
func TestPullFromFFmpeg(t *testing.T) {
	t.Parallel()
	encoders, at, points := map[string]*process{}, map[string]string{}, ""
	for _, c := range listeners {
		port := freeTCP(t)
		url := fmt.Sprintf("%s://127.0.0.1:%d/x", c.scheme, port)
		at[c.name] = fmt.Sprintf("http://127.0.0.1:%d/x", port)
		if c.scheme == "tcp" {
			at[c.name], url = fmt.Sprintf("tcp://127.0.0.1:%d?listen", port), fmt.Sprintf("tcp://127.0.0.1:%d", port)
		}
		encoders[c.name] = ffmpeg.start(t, picture, c.how, at[c.name])
		points += fmt.Sprintf("  %s: {source: {url: %q}, grace: 20s}\n", c.name, url)
	}
	s := servePull(t, points)
	for _, c := range listeners {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s.WaitMedia(c.name, time.Second)
			player := ffmpeg.start(t, progress, "-i", s.URL("web", c.play, "/"+c.name), "-f null -")
			player.waitFrames(enough / 3) // a second
			before := s.watching(c.name)

			encoders[c.name].kill()
			ffmpeg.start(t, picture, c.how, at[c.name])
			player.waitFrames(enough)
			if after := s.watching(c.name); len(after) != 1 || after[0] != before[0] {
				t.Errorf("viewers before the gap: %v; after it: %v", before, after)
			}
			if n := s.Point(c.name).Sources; n < 2 {
				t.Errorf("%d sources", n)
			}
		})
	}
}

// watching lists the connections that watch a point.
func (s server) watching(point string) (peers []string) {
	for _, x := range s.Sessions(point) {
		if x.Role == "viewer" {
			peers = append(peers, x.Peer)
		}
	}
	return peers
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

// TestPullFromWeir: a second server as the source, by each protocol that it speaks, on
// demand, and where it has nothing to give.
func TestPullFromWeir(t *testing.T) {
	t.Parallel()
	from := serve(t, `
  demo: {source: {url: "file:builtin/demo.asf"}}
  rare: {source: {url: "file:builtin/demo.asf"}}
  ts: {source: push}
  idle: {source: push}
`)
	from.push(t, "ts", h264+ts)
	from.WaitMedia("demo", time.Second)
	from.WaitMedia("rare", time.Second)
	nobody := freeTCP(t)
	s := servePull(t, fmt.Sprintf(`
  relay: {source: {url: %[1]q}}
  raw: {source: {url: %[2]q}}
  tv: {source: {url: %[3]q}}
  stranger: {source: {url: %[4]q}}
  rare: {source: {url: %[5]q, start: demand, idle: 1s}}
  gone: {source: {url: "http://user:secret@127.0.0.1:%[8]d/x"}}
  foreign: {source: {url: "http://192.0.2.1:8080"}}
  inner: {source: {url: "http://[::1]:%[8]d/x"}}
  nothing: {source: {url: %[6]q}}
  waiting: {source: {url: %[7]q}}
  demand: {source: {url: "http://127.0.0.1:%[8]d/x", start: demand}}
`, from.mmsh("/demo"), from.http("/demo.asf"), from.http("/ts.ts"), from.http("/ts"), from.mmsh("/rare"), from.http("/nix"), from.mmsh("/idle"), nobody))
	t.Run("all", func(t *testing.T) {
		for name, url := range map[string]string{"relay": s.mmsh("/relay"), "raw": s.http("/raw"), "tv": s.http("/tv"), "stranger": s.http("/stranger")} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.WaitMedia(name, time.Second)
				ffmpegPlays(t, url)
			})
		}
		t.Run("demand", func(t *testing.T) {
			t.Parallel()
			pullsOnDemand(t, s, from)
		})
		t.Run("refused", func(t *testing.T) {
			t.Parallel()
			pullRefused(t, s, nobody)
		})
	})
	// The connection is the host's: another instance of the plugin goes on with it.
	sources := s.Point("relay").Sources
	if err := s.Reload("pull"); err != nil {
		t.Fatal(err)
	}
	ffmpegPlays(t, s.mmsh("/relay"))
	if n := s.Point("relay").Sources; n != sources {
		t.Errorf("%d sources before a reload, %d after it", sources, n)
	}
	// The server that takes over dials for itself.
	next := server{s.TakeOver()}
	next.WaitMedia("relay", time.Second)
	ffmpegPlays(t, next.mmsh("/relay"))
	<-s.Retired()
}

// pullsOnDemand: the source runs from the first viewer's request, who gets pictures, till
// some time after the last has left, and again for one of another protocol.
func pullsOnDemand(t *testing.T, s, from server) {
	t.Helper()
	for n, url := range []string{s.mmsh("/rare"), s.URL("mms", "mmst", "/rare")} {
		if p := s.WaitPoint("rare", "idle"); p.Sources != uint64(n) || from.Point("rare").Viewers != 0 {
			t.Fatalf("%d sources of %d while nobody watches", p.Sources, n)
		}
		ffmpegPlays(t, url)
		s.WaitPoint("rare", "idle")
		from.WaitViewers("rare", 0)
	}
}

// pullRefused: what cannot be had is said in the point's status, and tried again after a
// time that doubles.
func pullRefused(t *testing.T, s server, nobody int) {
	t.Helper()
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
	if took := time.Since(began); took > holdTime {
		t.Errorf("a refused connection is waited for, %v", took)
	}
}

// holdTime is how long a request waits for a source on demand at most (host/internal/session).
const holdTime = 5 * time.Second
