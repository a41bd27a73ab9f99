package session

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// backoff spaces the attempts to start a plugin that fails to (containment.md:
// quarantine 1–60 s).
type backoff struct {
	until time.Time
	wait  time.Duration
}

const (
	firstWait = time.Second
	lastWait  = time.Minute
)

func (b *backoff) failed(now time.Time) {
	b.wait = min(max(2*b.wait, firstWait), lastWait)
	b.until = now.Add(b.wait)
}

// isStalled reports whether an era's last attempt to start an instance has failed.
func (e *era) isStalled() bool { return e != nil && e.retry.wait > 0 }

// ensureInstance has a usable instance of an era, starting one if need be. There is none
// for no era. Worker.
func (w *worker) ensureInstance(e *era) bool {
	if e == nil {
		return false
	}
	if e.inst != nil {
		return true
	}
	now := w.r.room.now()
	if now.Before(e.retry.until) {
		return false
	}
	if inst := e.spare.take(); inst != nil {
		w.use(e, inst)
		w.warm(e, true)
		return true
	}
	inst, fault := w.r.openInstance(e.gen, e.config)
	if fault != nil {
		w.stall(e, fault)
		return false
	}
	again := e.began
	w.use(e, inst)
	if again { // after a fault
		w.warm(e, true)
	}
	return true
}

// stall has an era tried again later that did not start. The plugin is quarantined only
// if it is the newest: what stays with an older one is told to nobody new. Worker.
func (w *worker) stall(e *era, fault *plugin.Fault) {
	e.retry.failed(w.r.room.now())
	w.r.noteStart(fault, e)
	isNow := e == w.now
	if isNow && !w.leaving {
		w.r.stalls.set(w, &State{Phase: Quarantined, Reason: fmt.Sprintf("%v; tried again in %v", fault, e.retry.wait), Until: e.retry.until})
	}
	w.r.log.Error("plugin does not start", "fault", fault.Error(), "generation", e.gen.Number(), "again_in", e.retry.wait)
	w.post(func() {
		w.holdAll(e)
		if !isNow {
			w.carryAll(e) // they see no key packet
			w.sweep()
		}
	})
	w.timers.add(e.retry.until, func() { w.recover(e) })
}

// use has an era answer by an instance. Worker.
func (w *worker) use(e *era, inst plugin.Instance) {
	e.inst, e.began = inst, true
	if e.isStalled() {
		w.post(func() { w.revive(e) })
	}
	if e == w.now {
		w.r.stalls.clear(w)
	}
	e.retry = backoff{}
	if n := inst.Inbox(); len(w.scratch.frame) < n {
		w.scratch.frame = make([]byte, n)
	}
}

// noteStart counts and keeps a fault of an instance that did not start. It may be
// called by any goroutine.
func (r *Runner) noteStart(fault *plugin.Fault, e *era) {
	r.report(&FaultReport{Fault: fault}, e)
	if !fault.Lost {
		r.suspect(evidence{fault: fault, era: e, among: []culprit{nobody()}})
	}
}

// holdAll ends the sessions of an era that somebody waits for an answer of, while it
// does not start. All others wait for its recovery with their events. Worker.
func (w *worker) holdAll(e *era) {
	for _, s := range w.sessions {
		if s.era == e {
			w.hold(s)
		}
	}
}

// hold keeps a session over its plugin's back-off, or ends it when its peer would wait
// for an answer. Worker.
func (w *worker) hold(s *Session) {
	l := s.links
	isWaiting := l.x != nil && l.x.canAccept() && s.view == nil
	if (s.era == nil || s.era.inst == nil) && (isWaiting || l.answer != nil) {
		w.end(s, "plugin_failed")
	}
}

// awaken has all sessions told what came while there was no instance. Worker.
func (w *worker) awaken() {
	for _, s := range w.sessions {
		w.markReady(s)
	}
}

// recover tries an era again that did not start, whatever has become of the plugin's
// other eras and workers. Worker.
func (w *worker) recover(e *era) {
	if w.now == e || slices.Contains(w.old, e) {
		w.ensureInstance(e)
	}
}

// revive has all go on that waited for an era to start. Worker.
func (w *worker) revive(e *era) {
	w.r.log.Info("plugin runs again", "generation", e.gen.Number())
	w.awaken()
	if e == w.now && w.r.State().Works() {
		w.r.room.packageAll(w.r)
		w.r.room.StartSources()
	}
}

// stalls are the workers whose newest era does not start. Its zero value has none; it is
// safe for concurrent use.
type stalls struct {
	mu   sync.Mutex
	of   map[*worker]*State
	last atomic.Pointer[State] // the one that is tried again last; nil: there is none
}

// set notes that a worker has none to answer newcomers.
func (x *stalls) set(w *worker, st *State) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil {
		x.of = map[*worker]*State{}
	}
	x.of[w] = st
	x.choose()
}

// clear notes that it has, or is to answer none.
func (x *stalls) clear(w *worker) {
	if x.last.Load() == nil {
		return // set and clear of one worker are called by its goroutine alone
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.of, w)
	x.choose()
}

func (x *stalls) choose() {
	var last *State
	for _, st := range x.of {
		if last == nil || st.Until.After(last.Until) {
			last = st
		}
	}
	x.last.Store(last)
}

// openInstance starts an instance of g and tells it its configuration. It may be
// called by any goroutine: a reload tries the new generation aside.
func (r *Runner) openInstance(g plugin.Generation, config []byte) (plugin.Instance, *plugin.Fault) {
	inst, fault := g.New()
	if fault != nil {
		return nil, fault
	}
	if fault = r.tell(g, inst, config); fault != nil {
		inst.Close()
		return nil, fault
	}
	return inst, nil
}

// tell hands an instance its OPEN record.
func (r *Runner) tell(g plugin.Generation, inst plugin.Instance, config []byte) *plugin.Fault {
	now := r.room.now()
	open := &abi.Open{Config: config, Outbox: abi.UsualBox, Version: []byte(r.room.version)}
	open.UnixNano, open.MonoNano = now.UnixNano(), int64(now.Sub(r.room.started))
	start := func(cause error) *plugin.Fault {
		return &plugin.Fault{Plugin: r.name, Generation: g.Number(), Kind: plugin.Start, During: "OPEN", Cause: cause}
	}
	if inst.Inbox() < abi.MinInbox {
		return start(fmt.Errorf("inbox of %d bytes; at least %d are needed", inst.Inbox(), abi.MinInbox))
	}
	var w abi.Writer
	w.Reset(make([]byte, abi.MinInbox))
	if err := w.Put(0, 0, open); err != nil {
		return start(fmt.Errorf("configuration of %d bytes does not fit into the inbox", len(config)))
	}
	out, fault := inst.Call(g.Limits().Open, w.Bytes())
	if fault != nil {
		f := *fault
		f.Kind, f.Cause = plugin.Start, fmt.Errorf("%s: %w", fault.Kind, fault.Cause)
		return &f
	}
	if len(out) == 0 {
		return nil
	}
	var reader abi.Reader
	if err := reader.Reset(out); err != nil {
		return start(err)
	}
	for {
		raw, ok, err := reader.Next()
		if err != nil {
			return start(err)
		}
		if !ok {
			return nil
		}
		var fail abi.Fail
		if raw.Op == abi.OpFail && reader.Decode(raw, &fail) == nil {
			return start(fmt.Errorf("%w: %s", fail.Code, fail.Text))
		}
	}
}
