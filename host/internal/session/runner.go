package session

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// Runner runs one plugin: its goroutine owns the plugin's sessions and its instance.
// All methods may be called by any goroutine unless they say "runner".
type Runner struct {
	name   string
	room   *Room
	grant  atomic.Pointer[Grant]
	config []byte
	log    *slog.Logger
	mail   mailbox
	done   chan struct{}
	state  atomic.Pointer[State]
	gen    atomic.Pointer[plugin.Generation]
	counts counts
	open   atomic.Int64 // sessions
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
	inst     plugin.Instance
	timers   timers
	entropy  *rand.ChaCha8
	scratch  scratch
	retry    backoff
	bodies   int             // of requests, accepted and not published
	metrics  map[string]bool // names of the plugin's own counters
}

// scratch is reused from frame to frame.
type scratch struct {
	frame    []byte
	w        abi.Writer
	reader   abi.Reader
	batch    []*Session
	taken    []*Session
	state    abi.State
	verdict  verdicts
	slices   [][]byte
	datagram []byte // SEND's
	b        batch
	rec      records
}

// counts are a plugin's totals, read by status.
type counts struct {
	calls, events, faults, refused, slow atomic.Uint64
	callNanos                            atomic.Int64
	lastFault                            atomic.Pointer[FaultReport]
}

// FaultReport is a fault as status shows it.
type FaultReport struct {
	At      time.Time
	Session uint64
	Peer    string
	Fault   *plugin.Fault
}

// Phase is what a plugin is doing.
type Phase string

// The phases of a plugin.
const (
	Disabled    Phase = "disabled"
	Starting    Phase = "starting"
	Running     Phase = "running"
	Failed      Phase = "failed"
	Quarantined Phase = "quarantined" // it ran, and did not start again; it is tried again at State.Until
	Draining    Phase = "draining"    // its sessions are being told to end
)

// State is a plugin's phase and, if it is not running, why.
type State struct {
	Phase  Phase
	Reason string
	Until  time.Time // of Quarantined; zero otherwise
}

// Name is the plugin's name in plugins.yaml.
func (r *Runner) Name() string { return r.name }

// State gives the plugin's phase.
func (r *Runner) State() State { return *r.state.Load() }

func (r *Runner) setState(p Phase, reason string) { r.state.Store(&State{Phase: p, Reason: reason}) }

// Generation gives the generation in force, nil before the first.
func (r *Runner) Generation() plugin.Generation {
	if g := r.gen.Load(); g != nil {
		return *g
	}
	return nil
}

// post runs f on the runner's goroutine, soon. After Close f does not run.
func (r *Runner) post(f func()) {
	r.mail.mu.Lock()
	r.mail.posts = append(r.mail.posts, f)
	r.mail.mu.Unlock()
	r.poke()
}

// do runs f on the runner's goroutine and waits for it; false if the runner ended.
func (r *Runner) do(f func()) bool {
	finished := make(chan struct{})
	r.post(func() { f(); close(finished) })
	select {
	case <-finished:
		return true
	case <-r.done:
		return false
	}
}

func (r *Runner) markReady(s *Session) {
	if !s.inbox.ready.CompareAndSwap(false, true) {
		return
	}
	r.mail.mu.Lock()
	r.mail.ready = append(r.mail.ready, s)
	r.mail.mu.Unlock()
	r.poke()
}

func (r *Runner) poke() {
	select {
	case r.mail.wake <- struct{}{}:
	default:
	}
}

// loop owns the plugin's sessions, instance and timers until Close.
func (r *Runner) loop() {
	defer close(r.done)
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		r.runPosts()
		if r.isStopped() {
			r.finish()
			return
		}
		due := r.fire(r.room.now())
		if r.dispatch(true) {
			continue
		}
		clock.Reset(due)
		select {
		case <-r.mail.wake:
		case <-clock.C:
		}
	}
}

func (r *Runner) isStopped() bool {
	r.mail.mu.Lock()
	defer r.mail.mu.Unlock()
	return r.mail.stopped
}

func (r *Runner) runPosts() {
	r.mail.mu.Lock()
	posts := r.mail.posts
	r.mail.posts = nil
	r.mail.mu.Unlock()
	for _, f := range posts {
		f()
	}
}

// finish ends all sessions when the runner closes. Runner.
func (r *Runner) finish() {
	r.endAll("shutdown")
	r.dropInstance()
	if g := r.Generation(); g != nil {
		g.Close()
	}
	r.runPosts()
}

func (r *Runner) endAll(reason string) {
	for _, s := range r.sessions {
		r.end(s, reason)
	}
}

func (r *Runner) dropInstance() {
	if r.inst != nil {
		r.inst.Close()
		r.inst = nil
		// The last verdicts are views of the instance's memory.
		sc := &r.scratch
		sc.reader, sc.verdict, sc.rec = abi.Reader{}, verdicts{}, records{}
	}
}

// Close ends the plugin's sessions and goroutine and waits for it.
func (r *Runner) Close() {
	r.mail.mu.Lock()
	r.mail.stopped = true
	r.mail.mu.Unlock()
	r.poke()
	<-r.done
}

// add makes s one of the runner's sessions. It may be called by any goroutine; what
// is enqueued later is handled later.
func (r *Runner) add(s *Session) {
	r.open.Add(1)
	r.post(func() {
		switch {
		case s.inbox.over.Load(): // its first event was handled before this
		case r.State().Phase != Running:
			r.end(s, "plugin_"+string(r.State().Phase))
		default:
			r.sessions[s.id] = s
		}
	})
}

func (r *Runner) newSession(k kind, name string) *Session {
	return &Session{id: r.room.nextID.Add(1), r: r, kind: k, name: name, born: r.room.now()}
}
