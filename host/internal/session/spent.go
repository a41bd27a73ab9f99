package session

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/thread"
)

// measuredCalls is of how many calls one is measured by the thread's clock. Chosen: the
// clock is asked by system calls of some 1 µs, and a call takes 2 to 50.
const measuredCalls = 16

// procCarrier waits for another process, so that a call's thread knows nothing of its cost
// (plugin.Generation).
const procCarrier = "proc"

// spent is what a plugin's calls have taken and moved. Its zero value is none; it is safe
// for concurrent use.
type spent struct {
	wall    atomic.Int64 // ns
	cpu     atomic.Int64 // ns, of the threads that the calls ran on
	in, out atomic.Uint64
}

// stopwatch measures the calls of one worker. What the calls between two that are measured
// took of the processor is taken to be the same part of their time as of the second's.
type stopwatch struct {
	calls   uint
	wall    time.Duration // of calls whose part is not known yet
	began   time.Time
	clock   time.Duration // what the thread's clock said then
	isExact bool          // this call is measured
}

// start begins a call of an instance that a carrier runs.
func (x *stopwatch) start(carrier string) {
	x.isExact = x.calls%measuredCalls == 0 && carrier != procCarrier
	x.calls++
	if x.isExact {
		runtime.LockOSThread() // the clock is the thread's
		x.clock = thread.Clock()
	}
	x.began = time.Now()
}

// stop ends it and adds it to the plugin's.
func (x *stopwatch) stop(to *spent, in, out int) (took time.Duration) {
	took = time.Since(x.began)
	to.wall.Add(int64(took))
	to.in.Add(uint64(in))
	to.out.Add(uint64(out))
	if x.wall += took; !x.isExact {
		return took
	}
	ran := min(thread.Clock()-x.clock, took)
	runtime.UnlockOSThread()
	if took > 0 {
		to.cpu.Add(int64(float64(x.wall) * (float64(ran) / float64(took))))
	}
	x.wall = 0
	return took
}

// Spent is what a plugin's calls have taken and moved since the server started, over all
// its generations. It never goes down.
type Spent struct {
	Calls    uint64
	Events   uint64
	Wall     time.Duration // time spent in calls
	CPU      time.Duration // of it, time of a processor, from one call of sixteen; 0 for a plugin that is a process of its own
	BytesIn  uint64        // of frames of events
	BytesOut uint64        // of frames of verdicts
}

// Spent gives what the plugin has taken. It asks no worker.
func (r *Runner) Spent() Spent {
	c := &r.counts
	return Spent{Calls: c.calls.Load(), Events: c.events.Load(), Wall: time.Duration(c.spent.wall.Load()), CPU: time.Duration(c.spent.cpu.Load()),
		BytesIn: c.spent.in.Load(), BytesOut: c.spent.out.Load()}
}
