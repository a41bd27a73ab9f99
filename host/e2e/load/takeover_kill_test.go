//go:build linux

package load_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
)

// TestTakeOverKilled: processes that are to take over are killed at several moments before they serve, and nobody notices; then one takes over, and the
// old one is killed: what has moved goes on.
func TestTakeOverKilled(t *testing.T) {
	program, dir, at := install(t, "  live: {source: push, buffer: 10s, grace: 5s}\n")
	const lead = 11 * time.Second
	f := asfFilm(t, 0, lead+2*slack, megabit)
	a := newAudience(t)
	old := start(t, program, dir)
	e := push(t, at, "live", f, true, lead)
	liveAt(t, dir, lead/f.step-1)
	seats := sit(50, habit{}, f.overHTTP("live"), f.overMMSH("live"))
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
	client, err := admin.NewClient("unix:"+filepath.Join(dir, "weir.sock"), "")
	if err != nil {
		t.Fatal(err)
	}
	storm := newStorm(t, at)
	for range scale(1, 10) {
		for _, lines := range []int{0, 1, 3} { // of its log
			p := launch(t, program, dir)
			within(t, "the new process has logged so much", func() bool { return strings.Count(p.log(), "plugin runs") >= lines })
			p.kill()
			if st, err := client.Status(context.Background()); err != nil || st.Points[0].State != "live" || st.Points[0].Source == "" {
				t.Fatalf("the server after a take-over that was killed: %+v, %v\n%s", st.Points, err, old.log())
			}
		}
	}
	if log := old.log(); strings.Contains(log, "another process has taken over") {
		t.Fatalf("a process that was killed has taken over:\n%s", log)
	}

	next := start(t, program, dir, "--takeover", "--takeover-limit", "2s")
	late := sit(20, habit{}, f.overHTTP("live"), f.overMMSH("live"))
	a.join(at, late)
	a.wait("watch", late, func(s *seat) bool { return s.first >= 0 })
	old.kill()
	a.wait("are closed", seats, func(s *seat) bool { return s.closed })
	storm.stop()

	// The limit: the one after that lets the last viewers go when it has passed.
	last := start(t, program, dir, "--takeover")
	if err := next.end(); err != nil || !strings.Contains(next.log(), "the limit after the take-over has passed") {
		t.Errorf("the process whose limit has passed: %v\n%s", err, next.log())
	}
	a.wait("are closed", late, func(s *seat) bool { return s.closed })
	units := e.finish()
	a.see(func() {
		for i, s := range append(seats, late...) {
			if s.gaps > 0 || s.wrong != nil || s.at > units {
				t.Errorf("viewer %d: %d gaps, %v", i, s.gaps, s.wrong)
			}
		}
	})
	last.stop()
}

// launch starts a process that takes over, and waits for nothing.
func launch(t *testing.T, program, dir string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(program, "serve", "-c", filepath.Join(dir, "plugins.yaml"), "--takeover"), done: make(chan struct{})}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(p.done) // nobody reads its standard output
	t.Cleanup(p.kill)
	return p
}
