//go:build linux

package load_test

import (
	"fmt"
	"runtime"
	gauges "runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// TestTwoLoopingGuests: two plugins loop all the time, as many as this machine has cores, each up to its limit of 500 ms and then again at once. The
// server's timers stay on time, its collector is not held up, and viewers lose nothing.
func TestTwoLoopingGuests(t *testing.T) {
	const lead = bystanderLead
	rounds, length := scale(2, 7), scale(time.Second, 10*time.Second)
	config := plugins
	var options []hosttest.Option
	names := []string{"left", "right"}
	for _, name := range names {
		config += "  " + name + ": {module: \"builtin:" + name + "\", listeners: [web], limits: {event: 500ms}}\n"
		options = append(options, hosttest.WithModule(name, grenade(t, name, name[:3])))
	}
	s := hosttest.Start(t, config+"points:\n  live: {source: push, buffer: 10s, grace: 0s, latency: 5ms}\n", options...)
	at := s.Addr("web")
	f := asfFilm(t, 0, lead+scale(2*time.Minute, 20*time.Minute), bystanderRate)
	e := push(t, at, "live", f, true, lead)
	ready(t, s, "live", "mmsh", uint64(lead/f.step)-1)
	a := newAudience(t)
	forms := []*form{f.overHTTP("live"), f.overMMSH("live")}
	seats := sit(scale(40, 200), habit{timed: true}, forms...)
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })

	each := int(length/(500*time.Millisecond)) + 8
	lines := map[string][]*line{}
	for i, name := range names { // a network whose sessions crash a plugin gets no new ones for a while
		for range rounds * each {
			l, err := pin(network(i), at, name[:3])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines[name] = append(lines[name], l)
		}
	}
	var without, with []punctuality
	for round := range rounds {
		a.forget(seats)
		p := punctual(length)
		p.viewers = a.worst(seats)
		without = append(without, p)

		l, r := s.Plugin("left").Faults, s.Plugin("right").Faults
		stop := loop(t, lines["left"][round*each:][:each], lines["right"][round*each:][:each])
		within(t, "both loop", func() bool { return s.Plugin("left").Faults > l && s.Plugin("right").Faults > r })
		a.forget(seats)
		p = punctual(length)
		p.viewers = a.worst(seats)
		with = append(with, p)
		if n := stop(); n < int(length/time.Second) {
			t.Errorf("in %v only %d loops were ended", length, n)
		}
		a.watched(seats, int(e.sent.Load()))
	}
	// What the machine does comes in some rounds, what the guests do in each.
	without0, with0 := quantile(without, scale(1.0, 0.5)), quantile(with, scale(0, 0.5))
	t.Logf("without guests: %v", without0)
	t.Logf("with %d guests: %v", len(names), with0)
	// Timers that nothing disturbs are late by less than the machine's own noise; a floor keeps the factor from judging that.
	if most := 3 * max(without0.ticker, scale(20*time.Millisecond, 5*time.Millisecond)); with0.ticker > most {
		t.Errorf("a ticker of 1 ms is late by %v, at most %v", with0.ticker, most)
	}
	if most := max(20*time.Millisecond, scale(3*without0.gc, 0)); with0.gc > most {
		t.Errorf("the collector stops the world for %v, at most %v", with0.gc, most)
	}
	if !soak {
		t.Logf("the longest pause of a viewer grows by %v", with0.viewers-without0.viewers)
	} else if with0.viewers-without0.viewers >= growth {
		t.Errorf("the longest pause of a viewer grows by %v", with0.viewers-without0.viewers)
	}
	n := e.finish()
	a.ended(seats, map[*form]int{forms[0]: n, forms[1]: n})
}

// loop makes plugins loop, each over its sessions, one after the other: a loop ends with the plugin's limit, and its session with it. stop tells how many
// loops there were.
func loop(t *testing.T, guests ...[]*line) (stop func() int) {
	t.Helper()
	var over atomic.Bool
	var ended atomic.Int64
	var all sync.WaitGroup
	for i, lines := range guests {
		all.Go(func() {
			for _, l := range lines {
				if over.Load() {
					l.conn.Close()
					continue
				}
				if err := l.throw("spin"); err != nil {
					t.Errorf("guest %d: %v", i, err)
				}
				ended.Add(1)
			}
		})
	}
	return func() int {
		over.Store(true)
		all.Wait()
		return int(ended.Load())
	}
}

// punctuality is how late things are at worst.
type punctuality struct{ ticker, gc, collect, viewers time.Duration }

// punctual measures for a while, in which the collector runs all the time.
func punctual(length time.Duration) (p punctuality) {
	before := pausesOfGC()
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
			began := time.Now()
			runtime.GC()
			p.collect = max(p.collect, time.Since(began))
		}
	}()
	const step = time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	end := time.Now().Add(length)
	for last := time.Now(); last.Before(end); {
		<-tick.C
		now := time.Now()
		p.ticker = max(p.ticker, now.Sub(last)-step)
		last = now
	}
	<-done
	for i, n := range pausesOfGC().Counts {
		if n > before.Counts[i] {
			p.gc = time.Duration(min(before.Buckets[i+1], before.Buckets[i]*2) * float64(time.Second)) // the last bucket has no upper end
		}
	}
	return p
}

// pausesOfGC is how long the collector has stopped the world so far, from the first goroutine that had to stop.
func pausesOfGC() *gauges.Float64Histogram {
	s := []gauges.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	gauges.Read(s)
	h := s[0].Value.Float64Histogram()
	return &gauges.Float64Histogram{Counts: slices.Clone(h.Counts), Buckets: slices.Clone(h.Buckets)}
}

// quantile gives each figure of which that share of the rounds has no worse.
func quantile(all []punctuality, share float64) punctuality {
	of := func(get func(punctuality) time.Duration) time.Duration {
		var list []time.Duration
		for _, p := range all {
			list = append(list, get(p))
		}
		slices.Sort(list)
		return list[int(share*float64(len(list)-1))]
	}
	return punctuality{
		of(func(p punctuality) time.Duration { return p.ticker }), of(func(p punctuality) time.Duration { return p.gc }),
		of(func(p punctuality) time.Duration { return p.collect }), of(func(p punctuality) time.Duration { return p.viewers }),
	}
}

func (p punctuality) String() string {
	return fmt.Sprintf("a ticker is late by %v, the collector stops the world for %v and takes %v, a viewer's longest pause is %v",
		p.ticker.Round(10*time.Microsecond), p.gc.Round(10*time.Microsecond), p.collect.Round(10*time.Microsecond), p.viewers.Round(100*time.Microsecond))
}
