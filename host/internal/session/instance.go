package session

import (
	"fmt"
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

// ensureInstance has a usable instance, starting one if need be. Runner.
func (r *Runner) ensureInstance() bool {
	if r.inst != nil {
		return true
	}
	g := r.Generation()
	if g == nil {
		return false
	}
	now := r.room.now()
	if now.Before(r.retry.until) {
		return false
	}
	inst, fault := r.openInstance(g, r.config)
	if fault != nil {
		r.retry.failed(now)
		r.noteStart(fault)
		r.state.Store(&State{Phase: Quarantined, Reason: fmt.Sprintf("%v; tried again in %v", fault, r.retry.wait), Until: r.retry.until})
		r.log.Error("plugin does not start", "fault", fault.Error(), "again_in", r.retry.wait)
		r.post(r.holdAll)
		r.timers.add(now.Add(r.retry.wait), func() { r.recover() })
		return false
	}
	r.inst = inst
	r.retry = backoff{}
	if n := inst.Inbox(); len(r.scratch.frame) < n {
		r.scratch.frame = make([]byte, n)
	}
	return true
}

// noteStart counts and keeps a fault of an instance that did not start. It may be
// called by any goroutine.
func (r *Runner) noteStart(fault *plugin.Fault) {
	r.counts.faults.Add(1)
	r.counts.lastFault.Store(&FaultReport{At: r.room.now(), Fault: fault})
	r.room.metrics.Faulted(r.name, fault.Kind.String())
}

// holdAll ends the sessions that somebody waits for an answer of, while their plugin
// does not start. All others wait for its recovery with their events. Runner.
func (r *Runner) holdAll() {
	for _, s := range r.sessions {
		r.hold(s)
	}
}

// hold keeps a session over its plugin's back-off, or ends it when its peer would wait
// for an answer. Runner.
func (r *Runner) hold(s *Session) {
	l := &s.links
	isWaiting := l.x != nil && l.x.canAccept() && l.view == nil
	if r.inst == nil && (isWaiting || l.answer != nil) {
		r.end(s, "plugin_failed")
	}
}

// awaken has all sessions told what came while there was no instance. Runner.
func (r *Runner) awaken() {
	for _, s := range r.sessions {
		r.markReady(s)
	}
}

// recover tries a plugin again that did not start. Runner.
func (r *Runner) recover() {
	if r.State().Phase == Quarantined && r.ensureInstance() {
		r.setState(Running, "")
		r.log.Info("plugin runs again")
		r.awaken()
		r.room.packageAll(r)
		r.room.StartSources()
	}
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
