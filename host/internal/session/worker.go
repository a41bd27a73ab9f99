package session

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// worker is one goroutine of a plugin: it owns some of the plugin's sessions, their
// timers and the instances that answer for them. A session stays with its worker. Its
// methods may be called by any goroutine unless they say "Worker".
type worker struct {
	r    *Runner
	mail mailbox
	done chan struct{} // closed when the goroutine has ended
	open atomic.Int64  // sessions, those too that it does not know yet
	owned
}

// mailbox is what others leave for the loop.
type mailbox struct {
	mu      sync.Mutex
	ready   []*Session
	posts   []func()
	wake    chan struct{} // of capacity 1
	stopped bool
}

// owned belongs to the loop alone.
type owned struct {
	sessions map[uint64]*Session
	now      *era   // that new sessions are told in; nil while the plugin is disabled
	old      []*era // of sessions that stay with what came before
	leaving  bool   // it takes no new sessions, and ends with its last
	samples  samples
	timers   timers
	entropy  *rand.ChaCha8
	scratch  scratch
	watch    stopwatch
	aside    lanes     // of networks that are put aside; ready, and waiting for turns of their own
	asideDue time.Time // the next turn of theirs, if others are ready
}

// scratch is reused from frame to frame.
type scratch struct {
	frame    []byte
	w        abi.Writer
	reader   abi.Reader
	batch    []*Session
	spare    []*current // cleared
	taken    []*Session
	stands   []stand // of the events of those
	state    abi.State
	verdict  verdicts
	slices   [][]byte
	datagram []byte // SEND's
	b        batch
	rec      records
}

func newWorker(r *Runner) *worker {
	w := &worker{r: r, mail: mailbox{wake: make(chan struct{}, 1)}, done: make(chan struct{}),
		owned: owned{sessions: map[uint64]*Session{}, entropy: newEntropy()}}
	go w.loop()
	return w
}

// post runs f on the worker's goroutine, soon. After Close f does not run.
func (w *worker) post(f func()) {
	w.mail.mu.Lock()
	w.mail.posts = append(w.mail.posts, f)
	w.mail.mu.Unlock()
	w.poke()
}

// do runs f on the worker's goroutine and waits for it; false if the worker ended.
func (w *worker) do(f func()) bool {
	finished := make(chan struct{})
	w.post(func() { f(); close(finished) })
	select {
	case <-finished:
		return true
	case <-w.done:
		return false
	}
}

func (w *worker) markReady(s *Session) {
	if !s.inbox.ready.CompareAndSwap(false, true) {
		return
	}
	w.mail.mu.Lock()
	w.mail.ready = append(w.mail.ready, s)
	w.mail.mu.Unlock()
	w.poke()
}

func (w *worker) poke() {
	select {
	case w.mail.wake <- struct{}{}:
	default:
	}
}

// loop owns the worker's sessions, instances and timers until Close.
func (w *worker) loop() {
	defer close(w.done)
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		w.gather()
		w.runPosts()
		if w.isStopped() {
			w.finish()
			return
		}
		due := w.fire(w.r.room.now())
		if w.dispatch(true) {
			continue
		}
		clock.Reset(due)
		select {
		case <-w.mail.wake:
		case <-clock.C:
		}
	}
}

// gather lets those come whose requests are ready to be told of too, so that one call of
// the plugin answers for many: at a storm of joins on one processor each would have a call
// of its own otherwise, right after it was read.
func (w *worker) gather() {
	w.mail.mu.Lock()
	n := len(w.mail.ready)
	asks := n > 0 && w.mail.ready[n-1].asks()
	w.mail.mu.Unlock()
	if asks {
		runtime.Gosched()
	}
}

func (w *worker) isStopped() bool {
	w.mail.mu.Lock()
	defer w.mail.mu.Unlock()
	return w.mail.stopped
}

func (w *worker) runPosts() {
	w.mail.mu.Lock()
	posts := w.mail.posts
	w.mail.posts = nil
	w.mail.mu.Unlock()
	for _, f := range posts {
		f()
	}
}

// finish ends all sessions when the worker closes. Worker.
func (w *worker) finish() {
	w.endAll("shutdown")
	w.endEras()
	w.runPosts()
}

func (w *worker) endAll(reason string) {
	for _, s := range w.sessions {
		w.end(s, reason)
	}
}

// Close ends the worker's sessions and goroutine and waits for it.
func (w *worker) Close() {
	w.mail.mu.Lock()
	w.mail.stopped = true
	w.mail.mu.Unlock()
	w.poke()
	<-w.done
}

// add makes s, which newSession has made, one of the worker's sessions. It may be called
// by any goroutine; what is enqueued later is handled later.
func (w *worker) add(s *Session) { w.post(func() { w.admit(s) }) }

// admit is the loop's part of add. Worker.
func (w *worker) admit(s *Session) {
	switch {
	case s.inbox.over.Load(): // its first event was handled before this
	case !w.r.State().Works():
		w.end(s, "plugin_"+string(w.r.State().Phase))
	case s.links.pack != nil && w.packageOf(s) == nil: // of a build that was replaced meanwhile
		w.end(s, "not_packaged")
	default:
		if s.era == nil && s.links.pack != nil {
			w.join(s, w.packageOf(s))
		}
		w.eraOf(s)
		w.sessions[s.id] = s
	}
}
