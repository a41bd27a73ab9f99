package session

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

const (
	// trialTime is how long the generation before stays open, to come back (containment.md).
	trialTime = time.Minute
	// trialFaults is how many faults of its own, or sources of faults, a new generation may
	// have within it, less one (containment.md).
	trialFaults = 3
	// maxWeighed is how many faults of a trial are shown to both generations (chosen: an
	// attacker who brings more has them weighed no longer, and counts as one source).
	maxWeighed = 16
)

// trial is the first minute of a generation, beside the one before it.
type trial struct {
	of      *build // on trial; not held, only compared
	before  *build // held
	config  []byte // that before was told
	events  uint64 // of before, in its last minute
	faults  uint64
	sources int
	timer   *time.Timer

	mu      sync.Mutex
	ended   bool
	weighed int
	counted uint64   // faults that say something of the new generation
	own     uint64   // of those, that it brings again and the one before does not
	from    culprits // of all that count
	failed  string   // why it is rolled back
}

// culprit is whom a fault is counted for: a party, or nobody outside, whose every fault
// counts for itself.
type culprit struct {
	party  network
	number uint64 // unique where there is no party; 0: of all that cannot be told apart
}

// culpritOf gives whom a session's fault is counted for.
func culpritOf(s *Session) culprit {
	if of := s.network(); of.IsValid() {
		return culprit{party: of.party()}
	}
	return nobody()
}

// lastNobody numbers the faults that no peer has brought.
var lastNobody atomic.Uint64

func nobody() culprit { return culprit{number: lastNobody.Add(1)} }

// evidence is a fault that may be a generation's.
type evidence struct {
	fault  *plugin.Fault
	among  []culprit // one of whom it was
	era    *era      // nil: of none that runs
	op     abi.Op
	schema string // of the state in the frame; empty: there is none
}

// evidenceOf gives what the fault of a session's event says. Worker.
func evidenceOf(s *Session, f *plugin.Fault) evidence {
	return evidence{fault: f, among: []culprit{culpritOf(s)}, era: s.era, op: s.cur.event.Op(), schema: s.held()}
}

// tryOut begins the trial of the generation in force after another, which becomes the
// trial's. What it gives, which may be nil, ends what was before, and may take its time.
func (r *Runner) tryOut(before *build, config []byte) (then func()) {
	var t *trial
	if before != nil {
		t = &trial{of: r.gen.Load(), before: before, config: config}
		t.events, t.faults, t.sources = before.tally.minute(r.room.now())
		t.timer = time.AfterFunc(trialTime, func() { r.endTrial(t) })
	}
	if old := r.trial.Swap(t); old != nil {
		return old.end
	}
	return nil
}

// endTrial ends a trial, or whichever there is, and lets go of the generation before.
func (r *Runner) endTrial(t *trial) {
	if t == nil {
		t = r.trial.Load()
	}
	if t != nil && r.trial.CompareAndSwap(t, nil) {
		t.end()
	}
}

// end is called once, by who has taken the trial from its runner.
func (t *trial) end() {
	t.timer.Stop()
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.before.release()
}

// suspect notes a fault of an event that is guilty alone, or of no event, and looks
// whether a generation on trial has failed. It may be called by any goroutine.
func (r *Runner) suspect(x evidence) {
	of := r.gen.Load()
	if x.era != nil {
		of = x.era.gen
	}
	if of == nil || of.Number() != x.fault.Generation {
		return // it was a candidate's
	}
	of.tally.fault(r.room.now(), x.among)
	t := r.trial.Load()
	if t == nil || t.of != of {
		return
	}
	if !t.weighs(&x) {
		r.judge(t, &x, unknown)
		return
	}
	of.hold()
	config := x.era.config
	r.room.readers.Go(func() {
		is := r.weigh(t, &x, config)
		of.release()
		t.before.release()
		r.judge(t, &x, is)
	})
}

// weighs reports whether a fault can be shown to both generations; the one before is held
// then. What a process does is not only its answer: it is not asked to do it again.
func (t *trial) weighs(x *evidence) bool {
	_, isProcess := t.before.Generation.(plugin.Process)
	_, was := t.of.Generation.(plugin.Process)
	if isProcess || was || x.era == nil || len(x.fault.Frame) == 0 || x.op == 0 || x.schema != "" && !t.before.Manifest().State.Reads(x.schema) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.failed != "" || t.weighed == maxWeighed {
		return false
	}
	t.weighed++
	t.before.hold()
	return true
}

// weight is what both generations make of an event that was guilty.
type weight uint8

const (
	unknown weight = iota
	own            // the new one fails again, and the one before does not
	shared         // both fail
)

// weigh shows an event to fresh instances of both generations.
func (r *Runner) weigh(t *trial, x *evidence, config []byte) weight {
	again := r.showOnce(t.of, config, x)
	if _, is := errors.AsType[*plugin.Fault](again); !is {
		return unknown // it was the instance, or what came of its answer
	}
	then := r.showOnce(t.before, t.config, x)
	if _, is := errors.AsType[*plugin.Fault](then); is {
		return shared
	}
	if then != nil {
		return unknown
	}
	return own
}

func (r *Runner) showOnce(g *build, config []byte, x *evidence) error {
	inst, fault := r.openInstance(record.Untapped(g.Generation), config)
	if fault != nil {
		return errors.New(fault.Error()) // it says nothing of the event
	}
	defer inst.Close()
	return tryOne(g, inst, &sample{op: x.op, frame: x.fault.Frame})
}

// judge counts a fault, and has a generation on trial rolled back when it has failed.
func (r *Runner) judge(t *trial, x *evidence, is weight) {
	if is == shared {
		return
	}
	now := r.room.now()
	events, _, _ := t.of.tally.minute(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.failed != "" {
		return
	}
	t.counted++
	if is == own {
		t.own++
	}
	t.from.add(x.among, now.Unix())
	isWorse := t.own >= trialFaults && t.own*max(t.events, 1) > t.faults*max(events, 1)
	if isWide := t.from.n >= trialFaults && t.from.n > t.sources; !isWorse && !isWide || !t.timer.Stop() {
		return
	}
	t.failed = fmt.Sprintf("%d faults of %d sources in %d events of its first minute, %d of which the one before answers, the last: %v; that one had %d faults of %d sources in %d events",
		t.counted, t.from.n, events, t.own, x.fault, t.faults, t.sources, t.events)
	r.room.readers.Go(func() {
		if back := r.room.options.RollBack; back != nil {
			back(r)
			return
		}
		_, _ = r.RollBack(nil, func() error { return nil }) // it has said why not
	})
}

// isFailing reports whether the generation in force is to be rolled back.
func (r *Runner) isFailing() bool {
	t := r.trial.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed != ""
}

// SettleRollBack notes that the configuration names the generation that runs: what was
// rolled back is not meant to be any more.
func (r *Runner) SettleRollBack() { r.rolled.Store(nil) }

// RollBack puts the generation before the one in force back, if that has failed in its
// first minute, and gives it; nil if there is nothing to be done any more. may tells what
// that may do; nil: what the one in force may. then is called as by Replace.
func (r *Runner) RollBack(may func(*manifest.Manifest) Grant, then func() error) (plugin.Generation, error) {
	t := r.trial.Load()
	if !r.isFailing() || !r.trial.CompareAndSwap(t, nil) {
		return nil, nil
	}
	defer t.end()
	bad, why := t.of, t.failed
	m := t.before.Manifest()
	c := &Candidate{runner: r, gen: t.before.hold(), grant: r.grant.Load().cut(m), config: t.config, isBack: true}
	if may != nil {
		c.grant = may(m)
	}
	err := c.start()
	if err == nil {
		_, err = r.room.Switch([]*Candidate{c}, func() error {
			if r.gen.Load() != bad {
				return fmt.Errorf("plugin %q: it was changed meanwhile", r.name)
			}
			return then()
		})
	}
	if err != nil {
		c.Discard()
		r.log.Error("generation not rolled back", "generation", bad.Number(), "error", err, "why", why)
		return nil, err
	}
	text := fmt.Sprintf("generation %d (version %s) was rolled back at %s: %s", bad.Number(), bad.Manifest().Version, r.room.now().Format(time.TimeOnly), why)
	r.rolled.Store(&text)
	r.log.Error("generation rolled back", "generation", bad.Number(), "version", bad.Manifest().Version, "to", c.gen.Number(), "why", why)
	return c.gen.Generation, nil
}
