//go:build linux

package load_test

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// procs is the broadcast's plugins, and the grenade, each as a process.
func procs(t *testing.T, more ...string) string {
	t.Helper()
	text := plugins
	for _, name := range []string{"push", "asf", "mpegts", "wmsp", "http"} {
		text = strings.Replace(text, `module: "builtin:`+name+`"`, hosttest.Exec(t, "../../../plugins/"+name), 1)
	}
	text += "  grenade: {" + hosttest.Exec(t, "testdata/grenade") + ", listeners: [web], grant: {attach: [\"*\"]}}\n"
	for _, name := range more {
		text += "  " + name + ": {" + hosttest.Exec(t, sinners+"/"+name) + ", listeners: [web]}\n"
	}
	return text
}

// TestProcKilled: plugins that are processes of their own are killed, one after the other, while an encoder pushes through them and viewers come and go.
// No viewer and no source is lost, and what the host holds for open sessions is there when the next process has come. Beside it, one process ends itself
// and one hangs, again and again.
func TestProcKilled(t *testing.T) {
	kills := scale(6, 60)
	every := scale(300*time.Millisecond, time.Second)
	s := hosttest.Start(t, procs(t, "crashloop", "hang")+"points:\n  live: {source: push, buffer: 10s, grace: 0s}\n")
	x := air(t, s, scale(3*time.Minute, 15*time.Minute), megabit/2, scale(40, 200))
	lines := x.lines(t, 10)
	settledProcs(t, s)
	before := measure(t)
	stop := x.sinBeside(t, "crashloop", "hang")
	tick := time.NewTicker(every)
	defer tick.Stop()
	var slowest time.Duration
	for i := range kills {
		<-tick.C
		name := []string{"asf", "wmsp", "push", "http", "grenade"}[i%5]
		p := s.Plugin(name)
		if p.PID == 0 {
			t.Fatalf("kill %d: plugin %s has no process: %s %s", i, name, p.State, p.Reason)
		}
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		guests := sit(4, habit{}, x.forms...) // they come while the process is away
		x.audience.join(x.at, guests)
		x.audience.wait("watch", guests, func(s *seat) bool { return s.first >= 0 })
		slowest = max(slowest, time.Since(began))
		x.audience.leave(guests)
		alive(t, "after a kill of "+name, lines, "hi")
		x.audience.watched(x.seats, int(x.encoder.sent.Load()))
		s.Wait("the next process", func() bool { n := s.Plugin(name); return n.PID != 0 && n.PID != p.PID && n.Restarts > p.Restarts })
	}
	n := stop()
	settledProcs(t, s)
	settled(t, before)
	p := s.Point("live")
	if p.Sources != 1 || p.Viewers != len(x.seats) {
		t.Errorf("status tells %d sources and %d viewers, there were 1 and %d", p.Sources, p.Viewers, len(x.seats))
	}
	x.finish()
	t.Logf("%d kills; the slowest of those who joined meanwhile waited %v; %d sins beside it", kills, slowest.Round(time.Millisecond), n)
}

// settledProcs waits until each plugin that is a process has one.
func settledProcs(t *testing.T, s *hosttest.Server) {
	t.Helper()
	s.Wait("processes", func() bool {
		for _, p := range s.Status().Plugins {
			if p.Carrier == "proc" && p.PID == 0 {
				return false
			}
		}
		return true
	})
}

// sinBeside has plugins commit their sins again and again, each time for a client of another network. stop tells how often.
func (x *programme) sinBeside(t *testing.T, names ...string) (stop func() int) {
	over := make(chan struct{})
	var all sync.WaitGroup
	counts := make([]int, len(names))
	for i, name := range names {
		all.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond) // while they are refused, they are refused fast
			defer tick.Stop()
			for {
				select {
				case <-over:
					return
				case <-tick.C:
				}
				if _, err := ask(network(int(networks.Add(1))), x.at, "/"+name+"?sin"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				counts[i]++
			}
		})
	}
	return func() (n int) {
		close(over)
		all.Wait()
		for _, c := range counts {
			n += c
		}
		return n
	}
}
