package wasm

import (
	"sync"
	"time"
)

// maxStarved is how many times its limit a call may take on the wall clock, however little of that time the guest ran; chosen. A guest cannot
// block, so only a starved machine gets there.
const maxStarved = 20

// watch ends calls that run too long. What counts is the time that the calling thread ran, so that a busy machine makes no innocent plugin guilty;
// where the system does not tell, the wall clock. Reading a thread's clock costs 0.8 µs, half a call, so it is read only for calls that reach half
// of their limit: the first half counts as run, the second as the clock says. One timer serves all calls of an instance.
type watch struct {
	done chan struct{} // closed when a call is over its limit

	mu      sync.Mutex
	timer   *time.Timer
	running bool
	over    bool
	limit   time.Duration
	began   time.Time
	thread  thread
	half    time.Time     // when the thread's clock was first read; zero before
	clock   time.Duration // what it said then
}

func (w *watch) init() { w.done = make(chan struct{}) }

// begin is called on the goroutine that is about to run the guest, and locked to its thread.
func (w *watch) begin(limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running, w.limit, w.began, w.half, w.thread = true, limit, time.Now(), time.Time{}, currentThread()
	if w.timer == nil {
		w.timer = time.AfterFunc(limit/2, w.check)
		return
	}
	w.timer.Reset(limit / 2)
}

// end reports whether the call went over its limit.
func (w *watch) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	w.timer.Stop()
	return w.over
}

// check runs on the timer's goroutine. It may belong to a call that has ended since.
func (w *watch) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.running || w.over {
		return
	}
	now := time.Now()
	left := w.left(now)
	if now.Sub(w.began) >= maxStarved*w.limit || left <= 0 {
		w.over = true
		close(w.done)
		return
	}
	w.timer.Reset(max(left, minRecheck))
}

// left is how long the guest may still run.
func (w *watch) left(now time.Time) time.Duration {
	if wall := now.Sub(w.began); wall < w.limit/2 {
		return w.limit/2 - wall // an earlier call's timer
	}
	clock, ok := w.thread.clock()
	if w.half.IsZero() {
		w.half, w.clock = now, clock
	}
	ran := now.Sub(w.half)
	if ok {
		ran = min(ran, clock-w.clock)
	}
	return w.limit - w.limit/2 - ran
}

// minRecheck keeps the timer from spinning on the last microseconds of a limit; chosen.
const minRecheck = time.Millisecond
