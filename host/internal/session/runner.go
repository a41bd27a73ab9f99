package session

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
)

// Runner runs one plugin: it is what holds for all of its workers. It is safe for
// concurrent use; the room closes it.
type Runner struct {
	name   string
	room   *Room
	grant  atomic.Pointer[Grant]
	log    *slog.Logger
	state  atomic.Pointer[State] // but for stalls
	stalls stalls
	gen    atomic.Pointer[build] // in force; nil while the plugin is disabled
	counts counts
	blame  blame
	bounds queueBounds
	said   atomic.Pointer[manifest.Manifest] // what the plugin last said of itself; nil: nothing yet
	open   atomic.Int64                      // sessions
	bodies atomic.Int64                      // of requests, accepted and not published
	past
	crew
}

// past is what a plugin still has of the generation before.
type past struct {
	drain  atomic.Int64           // time.Duration for which sessions may stay with it
	trial  atomic.Pointer[trial]  // of the generation in force; nil: it has passed
	rolled atomic.Pointer[string] // what the last roll-back was for; nil since the next change
}

// crew are a plugin's workers, with what they have in common.
type crew struct {
	mu      sync.Mutex
	workers []*worker
	taking  int // the first workers, that take new sessions
	closed  bool
	config  []byte          // JSON
	metrics map[string]bool // names of the plugin's own counters
	keys    map[string]*Session
}

// build is a generation with the count of those that need it: the last one that lets go
// of it closes it.
type build struct {
	plugin.Generation
	users atomic.Int64
	tally tally
}

func (b *build) hold() *build { b.users.Add(1); return b }

// release may be called for none.
func (b *build) release() {
	if b != nil && b.users.Add(-1) == 0 {
		b.Close()
	}
}

// counts are a plugin's totals, read by status.
type counts struct {
	calls, events, faults, refused, slow atomic.Uint64
	spent                                spent
	lastFault                            atomic.Pointer[FaultReport]
}

// Phase is what a plugin is doing.
type Phase string

// The phases of a plugin.
const (
	Disabled    Phase = "disabled"
	Starting    Phase = "starting"
	Running     Phase = "running"
	Failed      Phase = "failed"
	Quarantined Phase = "quarantined" // it ran, and did not start again, or its faults are too many; until State.Until
	Draining    Phase = "draining"    // its sessions are being told to end
)

// State is a plugin's phase and, if it is not running, why.
type State struct {
	Phase  Phase
	Reason string
	Until  time.Time // of Quarantined; zero otherwise
	faulty bool      // Quarantined for its faults: it runs, and takes nobody new
}

// Words are the phase and the reason, which may begin with the phase itself.
func (s State) Words() string {
	if s.Reason == "" || strings.HasPrefix(s.Reason, string(s.Phase)) {
		return cmp.Or(s.Reason, string(s.Phase))
	}
	return string(s.Phase) + ": " + s.Reason
}

// Works reports whether the plugin has instances: those that it serves are served on,
// even if it takes nobody new.
func (s State) Works() bool { return s.Phase == Running || s.faulty }

// Name is the plugin's name in plugins.yaml.
func (r *Runner) Name() string { return r.name }

// State gives the plugin's phase: quarantined while the newest build does not start in one
// of its workers, which changes nothing of what else it is.
func (r *Runner) State() State {
	p := r.state.Load()
	st := *p
	if st.faulty && !r.room.now().Before(st.Until) {
		st = r.letIn(p)
	}
	if stall := r.stalls.last.Load(); stall != nil && st.Works() {
		return *stall
	}
	return st
}

func (r *Runner) setState(p Phase, reason string) {
	r.state.Store(&State{Phase: p, Reason: reason})
	r.tellPlugin(string(p), reason)
}

// Generation gives the generation in force, nil before the first.
func (r *Runner) Generation() plugin.Generation {
	if b := r.gen.Load(); b != nil {
		return b.Generation
	}
	return nil
}

// all gives the plugin's workers.
func (r *Runner) all() []*worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.workers)
}

// each runs f on one worker's goroutine after the other, and waits for it.
func (r *Runner) each(f func(w *worker)) {
	for _, w := range r.all() {
		w.do(func() { f(w) })
	}
}

// together runs f on the goroutines of all workers at once, and waits for all.
func (r *Runner) together(f func(w *worker)) {
	all := r.all()
	for _, w := range all {
		finished := make(chan struct{})
		w.post(func() { f(w); close(finished) })
		defer func() {
			select {
			case <-finished:
			case <-w.done:
			}
		}()
	}
}

// Close ends the plugin's sessions and goroutines and waits for them.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, w := range r.all() {
		w.Close()
	}
	r.endTrial(nil)
	r.gen.Swap(nil).release()
}

// newSession makes a session of the worker that has the fewest. It may be called by any
// goroutine; add follows.
func (r *Runner) newSession(k kind, name string) *Session {
	at, err := netip.ParseAddrPort(name)
	s := r.newPeer(k, at)
	if err != nil {
		s.link().name = name
	}
	return s
}

// newPeer is newSession for a peer's.
func (r *Runner) newPeer(k kind, peer netip.AddrPort) *Session {
	return &Session{id: r.room.nextID.Add(1), r: r, w: r.pick(), peer: peer, born: r.room.now().Sub(r.room.started), links: &unlinked,
		telling: telling{kind: k, cur: idle}}
}

func (r *Runner) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// pick gives the worker with the fewest sessions, with one more from now on.
func (r *Runner) pick() *worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := slices.MinFunc(r.workers[:r.taking], func(a, b *worker) int { return int(a.open.Load() - b.open.Load()) })
	w.open.Add(1)
	r.open.Add(1)
	return w
}
