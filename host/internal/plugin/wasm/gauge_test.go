//go:build linux

package wasm

import (
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// gauge is what a measurement saw of the rest of the process.
type gauge struct {
	late   []time.Duration // of the ticks of a ticker of 1 ms
	pauses []time.Duration // what runtime.GC took
	stops  []time.Duration // how long the collector stopped the world
}

// measure watches a ticker and collects garbage for a while.
func measure(span time.Duration) (g gauge) {
	const period = time.Millisecond
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for began := time.Now(); time.Since(began) < span; {
			before := time.Now()
			runtime.GC()
			g.pauses = append(g.pauses, time.Since(before))
		}
	}()
	last := time.Now()
	for {
		select {
		case <-ticker.C:
			now := time.Now()
			g.late = append(g.late, now.Sub(last)-period)
			last = now
		case <-done:
			var s debug.GCStats
			debug.ReadGCStats(&s)
			g.stops = s.Pause[:min(len(s.Pause), len(g.pauses))]
			return g
		}
	}
}

// contest is the same measurement in many rounds, of which it keeps the worst of each.
type contest struct{ late, pauses, stops []time.Duration }

func (c *contest) add(g gauge) {
	c.late = append(c.late, slices.Max(g.late))
	c.pauses = append(c.pauses, slices.Max(g.pauses))
	c.stops = append(c.stops, slices.Max(g.stops))
}

// spinNatively is what a guest's loop is in Go: it runs a turn, then lets others have theirs.
func spinNatively(span time.Duration) {
	for began := time.Now(); time.Since(began) < span; runtime.Gosched() {
		for turnBegan := time.Now(); time.Since(turnBegan) < turn; {
			continue
		}
	}
}

// TestOthersGetTheirTurn lets two guests run, of those that do what takes longest, on a machine that may have no more than two processors, and looks
// at what the rest of the process still gets: a ticker and the garbage collector. In turns with that stands the same without guests, and with two
// goroutines of Go in their place, which is as good as it can be: on a machine with other work, a ticker waits for that too. So rounds are compared in
// their median; the soak is for a machine without other work, and compares the worst of all.
func TestOthersGetTheirTurn(t *testing.T) {
	if raced {
		t.Skip("the race detector is in")
	}
	soak := os.Getenv("WEIR_SOAK") == "1"
	rounds, span := 5, 300*time.Millisecond
	if soak {
		rounds, span = 40, time.Second
	}
	all := nasties(t)
	all["loop"] = newPlugin(bodySpin)
	names := []string{"loop", "lines", "references", "loads", "values moved", "vectors moved"}
	if soak {
		names = slices.Sorted(maps.Keys(all))
	}
	var generations []plugin.Generation
	for _, name := range names {
		generations = append(generations, mustOpen(t, Options{Module: all[name].bytes(), Limits: plugin.Limits{Event: time.Minute}}))
	}
	var idle, native, guests contest
	for n := range rounds {
		beside := func(c *contest, spin func(n int)) {
			var spinning sync.WaitGroup
			for k := range 2 {
				spinning.Go(func() { spin(2*n + k) })
			}
			c.add(measure(span))
			spinning.Wait()
		}
		beside(&idle, func(int) {})
		beside(&native, func(int) { spinNatively(span) })
		beside(&guests, func(n int) {
			i := mustNew(t, generations[n%len(generations)])
			_, _ = i.Call(span, emptyFrame)
			i.Close()
		})
	}
	for name, c := range map[string]*contest{"idle": &idle, "two goroutines": &native, "two guests": &guests} {
		t.Logf("%-14s  the rounds' worst in the median and at worst: ticker of 1 ms %v, %v late · runtime.GC %v, %v · stop of the world %v, %v", name,
			median(c.late), slices.Max(c.late), median(c.pauses), slices.Max(c.pauses), median(c.stops), slices.Max(c.stops))
	}
	judge, maxStop := median, max(100*time.Millisecond, 3*median(native.stops))
	maxLate := max(3*median(idle.late), 3*median(native.late), 10*time.Millisecond)
	if soak { // what is asked for
		judge, maxStop = slices.Max[[]time.Duration], 20*time.Millisecond
		maxLate = 3 * slices.Max(idle.late)
	}
	if late := judge(guests.late); late > maxLate {
		t.Errorf("the ticker was %v late, of at most %v", late, maxLate)
	}
	if stop := judge(guests.stops); stop > maxStop {
		t.Errorf("the world stood still for %v, of at most %v", stop, maxStop)
	}
}
