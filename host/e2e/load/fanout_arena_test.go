//go:build linux

package load_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
)

// arena is a weir in a process of its own that many watch, so that what it takes of the machine can be told from what the audience takes.
type arena struct {
	t        *testing.T
	at       string
	dir      string
	server   *process
	client   *admin.Client
	audience *audience
}

// arenaPlugins are what each arena has beside what a test adds; NAME.wasm is in its folder.
var arenaPlugins = map[string]string{
	"push": `grant: {publish: ["*"]}`, "asf": "", "mpegts": "",
	"wmsp": `grant: {attach: ["*"]}`, "http": `grant: {attach: ["*"]}`, "asx": "grant: {documents: true}",
}

// newArena starts a server with these points, one a line, and these listeners beside web.
func newArena(t *testing.T, points []string, listeners ...string) *arena {
	t.Helper()
	x := &arena{t: t, at: freeAddress(t), dir: shortFolder(t)}
	x.launch(points, listeners, nil)
	return x
}

// launch writes the configuration, with these files beside it, and starts the server.
func (x *arena) launch(points, listeners []string, files map[string][]byte) {
	x.t.Helper()
	text := "listeners:\n  web: {address: \"" + x.at + "\"}\n"
	names := "web"
	for _, l := range listeners {
		text += "  " + l + "\n"
		name, _, _ := strings.Cut(l, ":")
		names += ", " + name
	}
	text += "cache_dir: " + moduleCache + "\nplugins:\n"
	for _, name := range slices.Sorted(maps.Keys(arenaPlugins)) {
		write(x.t, filepath.Join(x.dir, name+".wasm"), hosttest.Build(x.t, "../../../plugins/"+name))
		text += "  " + name + ": {module: ./" + name + ".wasm"
		if grant := arenaPlugins[name]; grant != "" {
			text += ", listeners: [" + names + "], " + grant
		}
		text += "}\n"
	}
	text += "points:\n  " + strings.Join(points, "\n  ") + "\n"
	for name, content := range files {
		write(x.t, filepath.Join(x.dir, name), content)
	}
	write(x.t, filepath.Join(x.dir, "plugins.yaml"), []byte(text))
	x.server = start(x.t, program(x.t), x.dir)
	var err error
	if x.client, err = admin.NewClient("unix:"+filepath.Join(x.dir, "weir.sock"), ""); err != nil {
		x.t.Fatal(err)
	}
	x.audience = newAudience(x.t)
}

func (x *arena) status() admin.Status {
	x.t.Helper()
	st, err := x.client.Status(context.Background())
	if err != nil {
		x.t.Fatalf("status: %v; the log:\n%s", err, x.server.log())
	}
	return st
}

// until waits for something that status tells.
func (x *arena) until(what string, ok func(admin.Status) bool) {
	x.t.Helper()
	within(x.t, what, func() bool { return ok(x.status()) })
}

// has waits until a rendition of a point has so many packets.
func (x *arena) has(point, rendition string, n int) {
	x.t.Helper()
	x.until(point+" has "+rendition, func(st admin.Status) bool {
		for _, p := range st.Points {
			for _, r := range p.Renditions {
				if p.Name == point && r.Name == rendition && r.NextSequence >= uint64(n) {
					return true
				}
			}
		}
		return false
	})
}

// isIn waits until these points are in a state.
func (x *arena) isIn(state string, points ...string) {
	x.t.Helper()
	x.until(strings.Join(points, " and ")+" "+state, func(st admin.Status) bool {
		for _, p := range st.Points {
			if slices.Contains(points, p.Name) && p.State != state {
				return false
			}
		}
		return true
	})
}

// seat lets viewers join, all of whom watch when it returns.
func (x *arena) seat(n int, h habit, forms ...*form) []*seat {
	x.t.Helper()
	seats := sit(n, h, forms...)
	x.audience.join(x.at, seats)
	x.audience.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
	return seats
}

// whole judges that viewers watch still, and that none has missed anything.
func (x *arena) whole(seats []*seat) {
	x.t.Helper()
	x.audience.see(func() {
		for i, s := range seats {
			if s.closed || s.gaps > 0 || s.wrong != nil {
				x.t.Errorf("%s viewer %d at unit %d: closed %v, %d gaps, %v", s.form.name, i, s.at, s.closed, s.gaps, s.wrong)
			}
		}
	})
}

// sound judges that no plugin has had a fault and that the server has not panicked.
func (x *arena) sound() {
	x.t.Helper()
	for _, p := range x.status().Plugins {
		if p.State != admin.PluginRunning || p.Faults > 0 {
			x.t.Errorf("plugin %s is %s (%s) with %d faults", p.Name, p.State, p.Reason, p.Faults)
		}
	}
	for _, bad := range []string{"panic: ", "fatal error: "} {
		if strings.Contains(x.server.log(), "\n"+bad) {
			x.t.Errorf("the server's log:\n%s", x.server.log())
		}
	}
}

// footprint is what the server's process takes of the machine.
type footprint struct {
	goroutines, descriptors int
	memory                  int64 // bytes of Go's heap and stacks in use behind a collection
	resident                int64 // bytes, as the kernel counts them (proc(5), VmRSS)
}

// eager has the servers that are started from now on collect garbage early: then what is in use is what is needed.
func eager(t *testing.T) { t.Setenv("GOGC", "10") }

// footprint asks the server for its own metrics until its collector has run twice, and takes the least that was in use; asking makes the garbage.
func (x *arena) footprint() (f footprint) {
	x.t.Helper()
	const runs = 3 // the second frees what finalizers of the first held; the third ends the sweep of the second
	var from float64
	within(x.t, "the server has collected its garbage", func() bool {
		text := scrape(x.t, x.dir)
		of := func(name string) int64 { return int64(metric(x.t, text, name)) }
		n := metric(x.t, text, "go_gc_duration_seconds_count")
		used := of("go_memstats_heap_inuse_bytes") + of("go_memstats_stack_inuse_bytes")
		if from == 0 {
			from = n
		}
		if n < from+runs-1 {
			return false
		}
		if f.memory == 0 || used < f.memory {
			f.memory = used
		}
		f.goroutines = int(of("go_goroutines"))
		return n > from+runs
	})
	pid := x.server.cmd.Process.Pid
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		x.t.Fatal(err)
	}
	f.descriptors = len(open)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		x.t.Fatal(err)
	}
	f.resident = kibibytes(x.t, string(b), "VmRSS:")
	return f
}

func (f footprint) since(was footprint) string {
	return fmt.Sprintf("goroutines %d → %d, descriptors %d → %d, heap and stacks %d → %d KiB, resident %d → %d KiB", was.goroutines, f.goroutines,
		was.descriptors, f.descriptors, was.memory>>10, f.memory>>10, was.resident>>10, f.resident>>10)
}

// flat judges that a footprint has not grown by more than what comes and goes.
func (x *arena) flat(was, now footprint, memory, resident int64) {
	x.t.Helper()
	x.t.Log(now.since(was))
	if now.goroutines > was.goroutines+noise.goroutines || now.descriptors > was.descriptors+noise.descriptors ||
		now.memory > was.memory+memory || now.resident > was.resident+resident {
		x.t.Errorf("the server has grown by more than %d goroutines, %d descriptors, %d KiB in use or %d KiB resident: %s",
			noise.goroutines, noise.descriptors, memory>>10, resident>>10, now.since(was))
	}
}

// every gives ticks until the test's end.
func every(t *testing.T, d time.Duration) <-chan time.Time {
	tick := time.NewTicker(d)
	t.Cleanup(tick.Stop)
	return tick.C
}
