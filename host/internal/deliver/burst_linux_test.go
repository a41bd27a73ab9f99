package deliver

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// TestBurstHoldsItsRateForAnHour has a viewer join an hour behind at twice the stream's
// rate, beside one that is live. Both are looked at after each turn: the first is never
// ahead of its rate, and never behind it by more than a round and a picture; the rounds of
// the second neither drift nor are left out.
func TestBurstHoldsItsRateForAnHour(t *testing.T) {
	t.Parallel()
	simulate(t, func(t *testing.T) {
		const (
			picture = 40 * time.Millisecond
			hour    = time.Hour
			slack   = 2*picture + 45*time.Millisecond
		)
		s := newSim(t, 40*time.Millisecond, time.Millisecond) // two viewers: rounds at the latency
		defer s.close()
		l := tsLog(3 * hour)
		for at := time.Duration(0); at <= hour; at += picture {
			s.put(l, at, 20)
		}
		live := s.attach(l, stream.Start{}, Attach{})
		late := s.attach(l, stream.Start{Mode: stream.StartSeq}, Attach{BurstRate: 2})
		s.turn()
		began := s.worker.clock()
		var caughtUp time.Duration
		look := func() {
			s.drain(live, late)
			now := s.worker.clock()
			if due := hour + now - began; due > time.Duration(live.count.run.Load())+slack {
				t.Fatalf("after %v the live viewer is at %v", now-began, time.Duration(live.count.run.Load()))
			}
			if caughtUp > 0 {
				return
			}
			may, has := 2*(now-began), time.Duration(late.count.run.Load())
			switch {
			case late.state.burst == noBurst:
				caughtUp = now - began
			case has > may+picture || has < may-2*slack:
				t.Fatalf("after %v a burst of twice the rate is at %v", now-began, has)
			}
		}
		for at := picture; at <= hour+time.Second; at += picture {
			s.run(began+at, look)
			s.put(l, hour+at, 20)
		}
		if caughtUp < hour-slack || caughtUp > hour+slack {
			t.Errorf("an hour was caught up with after %v", caughtUp)
		}
		if n, pictures := live.count.sends.Load(), uint64((hour+time.Second)/picture); n > pictures || n < pictures-pictures/1000 {
			t.Errorf("%d rounds for %d pictures", n, pictures)
		}
	})
}

// TestBurstNeedsNoWriter: a burst goes on when the log does not grow, and ends with what
// the log's end asks for.
func TestBurstNeedsNoWriter(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, 10*time.Microsecond)
		defer s.close()
		l := tsLog(time.Minute)
		for at := time.Duration(0); at < 10*time.Second; at += 40 * time.Millisecond {
			s.put(l, at, 1000)
		}
		k := newSink()
		x := s.attach(l, stream.Start{Mode: stream.StartSeq}, Attach{BurstRate: 4, Sink: k, OnEnd: Rule{Mode: Close}})
		var ended time.Duration
		done := func() {
			s.drain(x)
			if ended == 0 && x.count.at.Load() == l.Written() {
				ended = s.worker.clock()
			}
		}
		s.run(time.Second, done)
		if n := x.count.at.Load(); n < 95_000 || n > 105_000 {
			t.Errorf("%d bytes after a second of 100,000", n)
		}
		l.End()
		s.run(time.Minute, done)
		if want := 10 * time.Second / 4; ended < want-50*time.Millisecond || ended > want+50*time.Millisecond {
			t.Errorf("10 s at four times the rate took %v", ended)
		}
		k.wantLeft(t, SourceEnd)
		if until, block := s.worker.nextTurn(s.worker.clock()); !block || !until.IsZero() {
			t.Error("the worker does not rest")
		}
	})
}

// TestBurstAfterAStall: a viewer whose socket was full catches up at its rate too, and one
// that has no rate at once.
func TestBurstAfterAStall(t *testing.T) {
	for rate, want := range map[float64]time.Duration{0: 0, 2: 3 * time.Second} {
		simulate(t, func(t *testing.T) {
			s := newSim(t, 40*time.Millisecond, 10*time.Microsecond)
			defer s.close()
			l := tsLog(time.Minute)
			x := s.attach(l, stream.Start{}, Attach{BurstRate: rate})
			at, wasFull := time.Duration(0), time.Duration(0)
			grow := func(until time.Duration, read func() bool) {
				for ; at < until; at += 40 * time.Millisecond {
					s.run(at, func() {
						if read() {
							s.drain(x)
						}
					})
					s.put(l, at, 40_000) // 1 MB a second: more than the socket's buffer soon
				}
			}
			grow(4*time.Second, func() bool {
				if wasFull == 0 && x.state.blocked {
					wasFull = at
				}
				return false
			})
			if !x.state.blocked {
				t.Fatal("the socket is not full")
			}
			behind := at - time.Duration(x.count.run.Load())
			caught := time.Duration(0)
			grow(20*time.Second, func() bool {
				if caught == 0 && !x.state.blocked && x.state.burst == noBurst && x.count.at.Load() == l.Written() {
					caught = s.worker.clock() - 4*time.Second
				}
				return true
			})
			if want > 0 {
				want = behind
			}
			if caught < want-400*time.Millisecond || caught > want+400*time.Millisecond {
				t.Errorf("rate %v: %v behind, caught up after %v", rate, behind, caught)
			}
		})
	}
}
