package deliver

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// TestNoFeedIsForgotten: a feed that the part before it left no time for has its round at
// once, though nothing more comes.
func TestNoFeedIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		viewers []int // of each feed
		send    time.Duration
		within  time.Duration
	}{
		"two points":   {[]int{12, 1}, 500 * time.Microsecond, 10 * time.Millisecond},
		"sixty points": {repeat(8, 60), 20 * time.Microsecond, 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T) {
				s := newSim(t, 40*time.Millisecond, c.send)
				defer s.close()
				var logs []*stream.Log
				var all []*watcher
				for _, n := range c.viewers {
					logs = append(logs, tsLog(time.Minute))
					for range n {
						all = append(all, s.attach(logs[len(logs)-1], stream.Start{}, Attach{}))
					}
				}
				s.run(time.Second, func() {})
				for _, l := range logs {
					s.put(l, time.Second, 100)
				}
				s.run(time.Second+c.within, func() {})
				missing := 0
				for _, x := range all {
					if x.count.bytes.Load() == 0 {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("%d of %d viewers do not have the packet %v later", missing, len(all), c.within)
				}
			})
		})
	}
}

func repeat(n, times int) []int {
	list := make([]int, times)
	for i := range list {
		list[i] = n
	}
	return list
}

// TestFullSocketInAStorm: a viewer whose socket was full for a moment does not wait behind
// the bursts of those who join.
func TestFullSocketInAStorm(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, 150*time.Microsecond)
		defer s.close()
		l := tsLog(time.Minute)
		for i := range 600 {
			s.put(l, time.Duration(i)*10*time.Millisecond, 1000)
		}
		x := s.attach(l, stream.Start{}, Attach{})
		s.run(time.Second, func() {})
		for i := 0; !x.state.blocked; i++ {
			s.put(l, 6*time.Second+time.Duration(i)*time.Millisecond, 100_000)
			s.run(s.worker.clock()+50*time.Millisecond, func() {})
		}
		var crowd []*watcher
		for range 1000 {
			crowd = append(crowd, s.attach(l, stream.Start{Mode: stream.StartBurst, Back: 2 * time.Second}, Attach{Head: []byte("h")}))
		}
		began := s.worker.clock()
		for s.worker.clock() < began+20*time.Millisecond {
			s.turn()
			s.drain(crowd...)
		}
		s.drain(x)
		writable, before := s.worker.clock(), x.count.bytes.Load()
		for x.count.bytes.Load() == before && s.worker.clock() < writable+time.Second {
			s.run(s.worker.clock()+time.Millisecond, func() { s.drain(crowd...) })
		}
		if waited := s.worker.clock() - writable; waited > 30*time.Millisecond {
			t.Errorf("it got nothing for %v", waited)
		}
	})
}

// TestWaitingGoFirst: who was not reached in a turn comes before who was, and has more to come.
func TestWaitingGoFirst(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, 500*time.Microsecond)
		defer s.close()
		l := tsLog(time.Minute)
		var all []*watcher
		for range 10 {
			all = append(all, s.attach(l, stream.Start{}, Attach{}))
		}
		s.run(time.Second, func() {})
		s.put(l, time.Second, 10_000)
		for _, x := range all {
			x.add([]byte("h"), 0) // what goes out with the first packets leaves more to come
			s.worker.enqueue(x.Viewer)
		}
		s.worker.serveLine(&s.worker.again, s.worker.clock())
		served := 0
		for served < len(all) && all[served].count.sends.Load() > 0 {
			served++
		}
		line := s.worker.again.viewers
		if served == 0 || served == len(all) || len(line) != len(all) {
			t.Fatalf("%d viewers were served, %d are in the line", served, len(line))
		}
		for i, v := range line {
			if v != all[(served+i)%len(all)].Viewer {
				t.Errorf("at %d in the line does not stand who has waited so long", i)
			}
		}
	})
}

// TestLeastLatencyLeaves: when the viewer with the least latency goes, the others' counts.
func TestLeastLatencyLeaves(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, time.Microsecond)
		defer s.close()
		l := tsLog(time.Minute)
		s.attach(l, stream.Start{}, Attach{Latency: 80 * time.Millisecond})
		stays := s.attach(l, stream.Start{}, Attach{})
		least := s.attach(l, stream.Start{}, Attach{Latency: 5 * time.Millisecond})
		s.run(time.Second, func() {})
		if d := stays.feed.latency; d != 5*time.Millisecond {
			t.Fatalf("the latency is %v", d)
		}
		least.Close(Closed)
		s.run(2*time.Second, func() {})
		if d := stays.feed.latency; d != 40*time.Millisecond {
			t.Errorf("the latency is %v after the viewer with the least has left", d)
		}
	})
}

// TestSwitchIsCountedWhereItWasSent: what a viewer is sent before it goes over to another log
// in the same turn is that log's.
func TestSwitchIsCountedWhereItWasSent(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, time.Microsecond)
		defer s.close()
		old, next := tsLog(time.Minute), tsLog(time.Minute)
		x := s.attach(old, stream.Start{}, Attach{})
		s.run(time.Second, func() {})
		s.put(old, time.Second, 1000)
		s.put(next, time.Second, 100)
		b, _ := x.cursor.BatchTo(1000, endless)
		x.cursor.Advance(len(b) / 2) // in the midst of a packet: the rest is sent first
		x.Switch(next, next.Cursor(stream.Start{Mode: stream.StartKey}), 0)
		s.run(2*time.Second, func() {})
		if got := s.worker.ledger.find(old).Totals().Bytes; got != 500 {
			t.Errorf("%d bytes are counted for the log that it left, want 500", got)
		}
		if got := s.worker.ledger.find(next).Totals().Bytes; got != 100 {
			t.Errorf("%d bytes are counted for the log that it went to, want 100", got)
		}
	})
}

// TestGatheredOnce: what was gathered on its way in does not wait as long again for its round,
// whatever the phase of both.
func TestGatheredOnce(t *testing.T) {
	for _, phase := range []time.Duration{0, 5 * time.Millisecond, 17 * time.Millisecond, 29 * time.Millisecond, 38 * time.Millisecond} {
		simulate(t, func(t *testing.T) {
			const latency, piece = 40 * time.Millisecond, 2 * time.Millisecond
			s := newSim(t, latency, 10*time.Microsecond)
			defer s.close()
			l := tsLog(time.Minute)
			var all []*watcher
			for range 200 {
				all = append(all, s.attach(l, stream.Start{}, Attach{}))
			}
			at := time.Duration(0)
			for ; at < time.Second; at += piece { // the worker learns what a round costs
				s.run(at, func() { s.drain(all...) })
				s.put(l, at, 100)
			}
			first := phase // a batch that sets the phase
			type batch struct {
				end    uint64
				oldest time.Duration // when the first of its pieces came
			}
			var under []batch
			var worst time.Duration
			look := func() {
				s.drain(all...)
				for len(under) > 0 && all[0].count.at.Load() >= under[0].end {
					worst = max(worst, s.worker.clock()-under[0].oldest)
					under = under[1:]
				}
			}
			for at < 3*time.Second {
				d, _ := l.Interval()
				d = min(max(d, 10*time.Millisecond), latency)
				l.SetGathered(d)
				if first > 0 {
					d, first = first, 0
				}
				s.run(at+d, look)
				s.put(l, at+d, 1000)
				under = append(under, batch{l.Written(), at})
				at += d
			}
			if worst > latency*5/4 {
				t.Errorf("phase %v: a piece came %v later, at a latency of %v", phase, worst, latency)
			}
		})
	}
}

// TestPaceEndsWithTheRounds: a feed that has had no round for a while says nothing of its pace.
func TestPaceEndsWithTheRounds(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, time.Millisecond)
		defer s.close()
		l := tsLog(time.Minute)
		s.attach(l, stream.Start{}, Attach{})
		s.run(time.Second, func() {})
		s.put(l, time.Second, 100)
		s.run(time.Second+50*time.Millisecond, func() {})
		if d, _ := l.Interval(); d == 0 {
			t.Error("it has no pace after a round")
		}
		s.run(3*time.Second, func() {})
		if d, ok := l.Interval(); d != 0 || !ok {
			t.Errorf("its pace is %v after 2 s without a round", d)
		}
	})
}
