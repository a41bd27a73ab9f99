package deliver

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/stream"
)

// TestIntervalFollowsTheLoad: packets are gathered for no longer than it takes to keep
// rounds below their share of the time, and never longer than the latency.
func TestIntervalFollowsTheLoad(t *testing.T) {
	for name, c := range map[string]struct {
		viewers, feeds int
		latency, want  time.Duration
	}{
		"few":                  {4, 1, 40 * time.Millisecond, 5 * time.Millisecond},
		"some":                 {40, 1, 40 * time.Millisecond, 20 * time.Millisecond},
		"many":                 {200, 1, 40 * time.Millisecond, 40 * time.Millisecond},
		"many, long latency":   {200, 1, 200 * time.Millisecond, 100 * time.Millisecond},
		"few each of many":     {4, 20, 40 * time.Millisecond, 40 * time.Millisecond},
		"latency below all":    {40, 1, 2 * time.Millisecond, 2 * time.Millisecond},
		"few, least latencies": {4, 1, 2 * time.Millisecond, 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T) {
				s := newSim(t, c.latency, 10*time.Microsecond)
				defer s.close()
				logs := make([]*stream.Log, c.feeds)
				var all []*watcher
				for i := range logs {
					logs[i] = tsLog(time.Minute)
					for range c.viewers {
						all = append(all, s.attach(logs[i], stream.Start{}, Attach{}))
					}
				}
				var at, from time.Duration
				var before uint64
				for ; at < 4*time.Second; at += time.Millisecond {
					s.run(at, func() { s.drain(all...) })
					if at == 2*time.Second {
						from, before = at, s.sends()
					}
					for _, l := range logs {
						s.put(l, at, 100)
					}
				}
				rounds := float64(s.sends()-before) / float64(len(all))
				got := time.Duration(float64(at-from) / rounds)
				if got < c.want*9/10 || got > c.want*11/10 {
					t.Errorf("rounds every %v, want %v", got, c.want)
				}
			})
		})
	}
}

// TestFirstPacketDoesNotWait: a feed that has had nothing for its interval is served at
// once, and what follows is gathered.
func TestFirstPacketDoesNotWait(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, time.Millisecond)
		defer s.close()
		l := tsLog(time.Minute)
		x := s.attach(l, stream.Start{}, Attach{})
		for i := range 20 {
			at := time.Duration(i+1) * time.Second
			s.run(at, func() { s.drain(x) })
			for n := range 2 {
				before := s.sends()
				s.put(l, at, 100)
				s.turn()
				if got := s.sends() - before; got != uint64(1-n) {
					t.Fatalf("%d sends for packet %d after %v", got, n, at)
				}
			}
		}
	})
}

// TestLongRoundIsShared: while a round of many viewers is under way, other feeds, and
// viewers that join, are served as if it were not.
func TestLongRoundIsShared(t *testing.T) {
	simulate(t, func(t *testing.T) {
		const send, many = 20 * time.Microsecond, 1000 // 20 ms a round
		s := newSim(t, 40*time.Millisecond, send)
		defer s.close()
		big, small := tsLog(time.Minute), tsLog(time.Minute)
		var all []*watcher
		for range many {
			all = append(all, s.attach(big, stream.Start{}, Attach{}))
		}
		alone := s.attach(small, stream.Start{}, Attach{})
		s.run(time.Second, func() { s.drain(all...) })
		f := alone.feed

		s.put(big, time.Second, 1000)
		s.turn()
		if left := all[0].feed.walk.left; left < many/2 || left == many {
			t.Fatalf("%d of %d viewers are left after one turn", left, many)
		}
		s.put(small, time.Second, 1000)
		joins := s.attach(big, stream.Start{Mode: stream.StartKey}, Attach{Head: []byte("HEAD")})
		for range 2 {
			s.turn()
		}
		if f.log.Written() != alone.count.at.Load() {
			t.Error("the other feed was not served within two turns")
		}
		if joins.count.bytes.Load() != 1004 {
			t.Errorf("the new viewer has %d bytes after two turns", joins.count.bytes.Load())
		}
		if now := s.worker.clock(); now > time.Second+calmTime+3*partTime {
			t.Errorf("that took %v", now-time.Second)
		}
		for all[0].feed.walk.left > 0 {
			s.turn()
		}
		for i, x := range all {
			if n := x.count.sends.Load(); n != 1 {
				t.Errorf("viewer %d was sent to %d times", i, n)
			}
		}
	})
}

// TestNobodyStarves: past the worker's capacity rounds follow each other, batches grow and
// all viewers have their turn, while some come and go in the midst of each round.
func TestNobodyStarves(t *testing.T) {
	simulate(t, func(t *testing.T) {
		const send, many = 500 * time.Microsecond, 200 // 100 ms a round
		s := newSim(t, 40*time.Millisecond, send)
		defer s.close()
		l := tsLog(time.Minute)
		var all, guests []*watcher
		for range many {
			all = append(all, s.attach(l, stream.Start{}, Attach{}))
		}
		last := make([]time.Duration, many)
		places := make([]uint64, many)
		var longest, next time.Duration
		look := func() {
			s.drain(all...)
			s.drain(guests...)
			now := s.worker.clock()
			for i, x := range all {
				if at := x.count.at.Load(); at != places[i] {
					places[i] = at
					longest = max(longest, now-last[i])
					last[i] = now
				}
			}
			if now < next {
				return
			}
			next = now + time.Millisecond
			if len(guests) > 40 {
				guests[0].Close(Closed)
				_ = unix.Close(guests[0].peer)
				guests[0].peer = -1
				guests = guests[1:]
			}
			guests = append(guests, s.attach(l, stream.Start{}, Attach{}))
		}
		s.run(time.Second, func() { s.drain(all...) })
		for i := range last {
			last[i] = time.Second
		}
		for at := time.Second; at < 4*time.Second; at += 10 * time.Millisecond {
			s.run(at, look)
			s.put(l, at, 1000)
		}
		if longest > 150*time.Millisecond {
			t.Errorf("a viewer got nothing for %v in rounds of 110 ms", longest)
		}
		if end := l.Written(); end-places[0] > 20_000 || end-places[many-1] > 20_000 {
			t.Errorf("viewers are at %d and %d of %d", places[0], places[many-1], end)
		}
	})
}
