//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/weir-media/weir/host/e2e/netns"
	"github.com/weir-media/weir/host/hosttest"
)

// rolloverYAML has each choice of protocols once on one port, and once on the ports that are
// the protocols' own, at an address for each: players need no port there.
const rolloverYAML = `
listeners:
  in: {address: "127.0.0.1:9000"}
  mms: {address: "127.0.0.1:8081"}
  wmsp: {address: "127.0.0.1:8082"}
  both: {address: "127.0.0.1:8083"}
  mms-own: {address: "127.0.0.2:1755"}
  wmsp-own: {address: "127.0.0.3:80"}
  both-mms: {address: "127.0.0.4:1755"}
  both-wmsp: {address: "127.0.0.4:80"}
  plain: {address: "127.0.0.1:8084"}
plugins:
  push:
    module: ./push.wasm
    listeners: [in]
    grant: {publish: ["*"]}
  asf:
    module: ./asf.wasm
  mpegts:
    module: ./mpegts.wasm
  http:
    module: ./http.wasm
    listeners: [plain]
    grant: {attach: ["*"]}
  rtsp:
    module: ./rtsp.wasm
    listeners: [plain]
    grant: {attach: ["*"]}
  mms:
    module: ./mms.wasm
    listeners: [mms, both, mms-own, both-mms]
    grant: {attach: ["*"]}
  wmsp:
    module: ./wmsp.wasm
    listeners: [wmsp, both, wmsp-own, both-wmsp]
    grant: {attach: ["*"]}
points:
  live:
    source: push
  tv:
    source: push
`

// places are the choices, and where they are served.
var places = [...]struct{ protocols, ports, authority string }{
	{"mms", "one", "127.0.0.1:8081"},
	{"wmsp", "one", "127.0.0.1:8082"},
	{"both", "one", "127.0.0.1:8083"},
	{"mms", "own", "127.0.0.2"},
	{"wmsp", "own", "127.0.0.3"},
	{"both", "own", "127.0.0.4"},
}

// roller is a player that may try one protocol after another (wire digest §7.1).
type roller struct {
	name   string
	client program
	scheme string
	direct []string // schemes by which it tries one protocol only
	fails  string   // the places at which it cannot play, as "protocols/ports"
	first  func(*rolling, *testing.T, string) *process
}

var rollers = []roller{
	{"vlc", vlc, "mms", []string{"mmst", "mmsh"}, "", (*rolling).vlcFirst},
	// MMST first. Where that is refused HTTP on port 80, where it is closed nothing.
	{"mplayer", mplayer, "mms", []string{"mmst", "mmsh"}, "wmsp/one", func(r *rolling, t *testing.T, url string) *process {
		return r.run(t, mplayer, "-vo null -ao null -nolirc -noconsolecontrols -frames 1", url)
	}},
	// HTTP and nothing else.
	{"mpv", mpv, "mms", []string{"mmsh"}, "mms/one mms/own", func(r *rolling, t *testing.T, url string) *process {
		return r.run(t, mpv, "--no-config --vo=null --ao=null --frames=1", url)
	}},
	{"ffmpeg mmst", ffmpeg, "mmst", []string{"mmst"}, "wmsp/one wmsp/own", (*rolling).ffmpegFirst},
	{"ffmpeg mmsh", ffmpeg, "mmsh", []string{"mmsh"}, "mms/one mms/own", (*rolling).ffmpegFirst},
}

// mostRollover is the longest that a player may take to find the protocol that works, beside
// what it takes by that protocol alone (issue 6).
const mostRollover = 2 * time.Second

// tries is how often a player may come to a place where it is late: other tests run beside
// this one (chosen).
const tries = 3

// rolling is a server that a matrix of players comes to.
type rolling struct {
	*alone
	mu    sync.Mutex
	table []string
}

// TestRollover: players open mms:// where MMS, MS-WMSP or both are served, on one port and on
// the protocols' own. Each shows its first picture at most two seconds later than by the
// protocol itself, or, where it has no way that is open, ends as soon. The time is from the
// start of the player's process to its end after one picture; of VLC, to the first picture
// that it saves. The player's own start, with its buffering, is what it takes by a scheme
// that names the protocol, where both are served: the longest of one by each. Players that
// are told http:// or rtsp://, where there is nothing to try, are measured beside them.
func TestRollover(t *testing.T) {
	t.Parallel()
	r := &rolling{alone: newAlone(t, netns.New(t), rolloverYAML).serve()}
	ffmpeg.need(t)
	for point, how := range map[string]string{"live": wmv + framed, "tv": h264 + ts} {
		startCommand(t, r.space.Command(ffmpeg.name, fields([]string{picture, how, "http://127.0.0.1:9000/" + point})...))
	}
	films := r.films()
	hosttest.Eventually(t, "media for players to begin with", func() bool {
		all := r.status().Points
		return len(all) == 2 && !slices.ContainsFunc(all, func(p hosttest.Point) bool { return len(p.Renditions) != 3 || p.Renditions[0].NewestSeconds < 4 })
	})
	t.Run("players", func(t *testing.T) {
		for _, c := range rollers {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.client.need(t)
				r.lane(t, c)
			})
		}
		for i, o := range openers {
			if os.Getenv("WEIR_SOAK") != "1" && i%5 != 0 { // one of each scheme; the others have no way to choose, which is what this is about
				continue
			}
			t.Run(o.name+" "+o.scheme, func(t *testing.T) {
				t.Parallel()
				o.client.need(t)
				r.opens(t, o, films)
			})
		}
	})
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLAYER\tPROTOCOLS\tPORTS\tURL\tFIRST PICTURE\tITS OWN\tROLLOVER")
	slices.Sort(r.table)
	for _, line := range r.table {
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // a Builder takes all
	t.Logf("time to the first picture:\n%s", b.String())
}

// lane takes one player to all places, one after another.
func (r *rolling) lane(t *testing.T, c roller) {
	own := time.Duration(0)
	for i, scheme := range append(c.direct[:1:1], c.direct...) {
		p := c.first(r, t, scheme+"://127.0.0.1:8083/live")
		switch {
		case !p.shown(c):
			t.Errorf("%s shows nothing by %s", c.name, scheme)
		case i > 0: // the first start of a program reads it from the disk
			own = max(own, p.took)
		}
	}
	for _, at := range places {
		url := c.scheme + "://" + at.authority + "/live"
		place := at.protocols + "/" + at.ports
		p := c.first(r, t, url)
		for n := 1; n < tries && p.took > own+mostRollover; n++ {
			if again := c.first(r, t, url); again.took < p.took {
				p = again
			}
		}
		shown, fails := p.shown(c), strings.Contains(c.fails, place)
		if shown == fails {
			t.Errorf("%s at %s: shows a picture: %v", c.name, place, shown)
		}
		if p.took > own+mostRollover {
			t.Errorf("%s at %s: took %v, by the protocol itself %v", c.name, place, p.took, own)
		}
		took := p.took.Round(10 * time.Millisecond).String()
		if !shown {
			took = "none, ends after " + took
		}
		r.mu.Lock()
		r.table = append(r.table, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%v\t%v", c.name, at.protocols, at.ports, url, took,
			own.Round(10*time.Millisecond), max(0, p.took-own).Round(10*time.Millisecond)))
		r.mu.Unlock()
	}
}

// run runs a player in the namespace to its end.
func (r *rolling) run(t *testing.T, p program, words ...string) *process {
	t.Helper()
	return startCommand(t, r.space.Command(p.name, fields(words)...)).wait()
}

func (r *rolling) ffmpegFirst(t *testing.T, url string) *process {
	t.Helper()
	return r.run(t, ffmpeg, progress, "-i", url, "-frames:v 1 -an -f null -")
}

// vlcFirst runs VLC until it has saved a picture, or has ended.
func (r *rolling) vlcFirst(t *testing.T, url string) *process {
	t.Helper()
	scenes := openFolder(t)
	words := vlcCommand(scenes, "--play-and-exit", "--video-filter=scene", "--scene-format=png", "--scene-ratio=1", "--scene-path="+scenes, url).Args
	c := startCommand(t, r.space.Command(words[0], words[1:]...))
	pictures := 0
	hosttest.Eventually(t, "VLC shows a picture", func() bool {
		files, err := filepath.Glob(filepath.Join(scenes, "*.png"))
		pictures = len(files)
		return err != nil || pictures > 0 || c.ended()
	})
	c.kill()
	c.out.text.WriteString(fmt.Sprintf("pictures: %d\n", pictures)) // the process has ended: nobody else writes
	return c
}

// shown tells whether a player has shown a picture, by what it says.
func (c *process) shown(by roller) bool {
	switch by.client {
	case ffmpeg:
		return c.frames() > 0
	case mpv:
		return strings.Contains(c.out.String(), "(+) Video") && c.err == nil
	case gst:
		return strings.Contains(c.out.String(), "last-message = chain ")
	case mplayer:
		return strings.Contains(c.out.String(), "VIDEO:  [") && clock.MatchString(c.out.String())
	}
	return strings.Contains(c.out.String(), "pictures: ") && !strings.Contains(c.out.String(), "pictures: 0\n")
}
