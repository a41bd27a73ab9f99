package session

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/thread"
)

// TestStopwatch: a call that computes counts as time of a processor, one that waits does
// not, and one of a process of its own never does.
func TestStopwatch(t *testing.T) {
	compute := func() {
		for began := thread.Clock(); thread.Clock()-began < 100*time.Microsecond; {
			continue
		}
	}
	wait := func() { <-time.After(time.Millisecond) }
	for _, c := range []struct {
		name, carrier string
		call          func()
		least, most   time.Duration // of CPU, in 2 × measuredCalls calls
	}{
		{"computes", "wasm", compute, 2 * measuredCalls * 50 * time.Microsecond, time.Hour},
		{"waits", "wasm", wait, 0, measuredCalls * time.Millisecond},
		{"is elsewhere", procCarrier, compute, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The calls after the last that is measured wait for the next.
			for try := 1; ; try++ {
				cpu, wall := timed(t, c.carrier, c.call)
				if cpu <= wall && cpu >= c.least/2 && cpu <= c.most {
					break
				}
				if try == 20 { // a call that is measured may be interrupted, on a busy machine often
					t.Fatalf("%v of %v; not between %v and %v", cpu, wall, c.least/2, c.most)
				}
			}
		})
	}
}

// timed has two measured calls made, with the others between.
func timed(t *testing.T, carrier string, call func()) (cpu, wall time.Duration) {
	t.Helper()
	var s spent
	var x stopwatch
	var last int64
	for range 2 * measuredCalls {
		x.start(carrier)
		call()
		x.stop(&s, 10, 20)
		now := s.cpu.Load()
		if now < last {
			t.Fatalf("went from %d to %d", last, now)
		}
		last = now
	}
	if s.in.Load() != 2*measuredCalls*10 || s.out.Load() != 2*measuredCalls*20 {
		t.Errorf("%d bytes in, %d out", s.in.Load(), s.out.Load())
	}
	return time.Duration(last), time.Duration(s.wall.Load())
}

func TestStopwatchAllocations(t *testing.T) {
	var s spent
	var x stopwatch
	if n := testing.AllocsPerRun(100, func() { x.start("wasm"); x.stop(&s, 1, 1) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkStopwatch(b *testing.B) {
	var s spent
	var x stopwatch
	b.ReportAllocs()
	for b.Loop() {
		x.start("wasm")
		x.stop(&s, 1, 1)
	}
}
