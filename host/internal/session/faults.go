package session

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

const (
	// keptFaults is how many of a plugin's last faults are shown (containment.md).
	keptFaults = 16
	// keptFrames bounds the bytes of their frames (chosen: eight of the largest); beyond
	// it the oldest faults lose theirs.
	keptFrames = 2 << 20
)

// reports are a plugin's last faults, the oldest first.
type reports struct {
	all    []*FaultReport
	frames int // bytes
}

func (r *reports) add(f *FaultReport) {
	if len(r.all) == keptFaults {
		r.frames -= len(r.all[0].Fault.Frame)
		r.all = slices.Delete(r.all, 0, 1)
	}
	r.all = append(r.all, f)
	r.frames += len(f.Fault.Frame)
	for i := 0; r.frames > keptFrames; i++ {
		r.frames -= len(r.all[i].Fault.Frame)
		r.all[i] = r.all[i].withoutFrame()
	}
}

// withoutFrame copies a report, since those who have asked for it read it.
func (f *FaultReport) withoutFrame() *FaultReport {
	c, fault := *f, *f.Fault
	fault.Frame = nil
	c.Fault = &fault
	return &c
}

// blame is what a plugin's faults come to: for the networks that bring them, for the
// plugin, and for the operator. It is safe for concurrent use.
type blame struct {
	isSoiled atomic.Bool // a network has brought a fault, and may not be forgotten yet

	mu          sync.Mutex
	throttle    throttle
	quarantine  quarantine
	reports     reports
	turned      map[string]uint64 // peers turned away, by reason
	quarantines uint64
}

// sentence is what follows from a fault.
type sentence struct {
	network    network       // that is put aside: the guilty's, or a wider one
	aside      time.Duration // for how long; 0: it has none
	quarantine time.Duration // for the plugin; 0: none
}

// guilty notes the fault of a session from that network.
func (b *blame) guilty(now time.Time, of network) (s sentence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wasFree, _ := b.throttle.admits(now, of)
	s.network, s.aside = b.throttle.fault(now, of)
	if s.aside > 0 {
		b.isSoiled.Store(true)
	}
	b.quarantine.fault(now, of, !wasFree)
	if span, is := b.quarantine.judge(now); is {
		b.quarantines++
		s.quarantine = span
	}
	return s
}

// handled counts events that the plugin is told.
func (b *blame) handled(now time.Time, events int) {
	b.mu.Lock()
	b.quarantine.handled(now, events)
	b.mu.Unlock()
}

// admits reports whether a network's new sessions are let in, or how long they must wait.
func (b *blame) admits(now time.Time, of network) (ok bool, after time.Duration) {
	if !of.IsValid() || !b.isSoiled.Load() {
		return true, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.throttle.forget(now)
	if len(b.throttle.nets) == 0 {
		b.isSoiled.Store(false)
	}
	return b.throttle.admits(now, of)
}

// delays reports whether a network's sessions that are open wait for turns of their own.
func (b *blame) delays(now time.Time, of network) bool {
	if !of.IsValid() || !b.isSoiled.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.throttle.delays(now, of)
}

// pardon lets all networks in and judges the plugin anew, which has changed. It forgets
// nobody: a network that brings faults to the new build too is put aside for longer than
// before.
func (b *blame) pardon(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.throttle.pardon(now)
	b.quarantine = quarantine{}
}

// keep notes a report, which shows no peer's credentials.
func (b *blame) keep(f *FaultReport) {
	if frame := f.Fault.Frame; len(frame) > 0 {
		fault := *f.Fault
		fault.Frame = record.Masked(frame)
		f.Fault = &fault
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports.add(f)
}

// turnedAway counts a peer that was refused.
func (b *blame) turnedAway(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.turned == nil {
		b.turned = map[string]uint64{}
	}
	b.turned[reason]++
}

// status gives what the plugin's faults have come to.
func (b *blame) status(now time.Time) Blamed {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Blamed{Quarantines: b.quarantines, Aside: b.throttle.list(now), TurnedAway: maps.Clone(b.turned)}
}

// FaultReport is a fault with what stood around it. It is not changed.
type FaultReport struct {
	ID      uint64 // unique and growing in this process
	At      time.Time
	Session uint64 // 0: no session alone is to blame
	Peer    string
	Point   string
	Network netip.Prefix // that was put aside for it; zero: none
	Build   record.Build // zero for one that did not start
	Config  []byte       // that OPEN brought, JSON
	Fault   *plugin.Fault
	Aside   bool // of a generation that was not put in force for it
}

// lastReport numbers the reports of all plugins.
var lastReport atomic.Uint64

// report counts and keeps a fault of an era, or of none. It may be called by any
// goroutine.
func (r *Runner) report(f *FaultReport, e *era) {
	f.ID, f.At = lastReport.Add(1), r.room.now()
	if e != nil {
		f.Build, f.Config = record.BuildOf(e.gen), e.config
	}
	r.counts.faults.Add(1)
	r.blame.keep(f)
	r.counts.lastFault.Store(f)
	r.room.metrics.Faulted(r.name, f.Fault.Kind.String())
	r.tellFault(f)
	if r.log.Enabled(context.Background(), slog.LevelDebug) { // who brings it decides how often it is written
		r.log.Debug("plugin fault in full", "id", f.ID, "fault", fmt.Sprintf("%+v", f.Fault))
	}
}

// Faults gives the plugin's last faults, the latest first.
func (r *Runner) Faults() []*FaultReport {
	r.blame.mu.Lock()
	defer r.blame.mu.Unlock()
	all := slices.Clone(r.blame.reports.all)
	slices.Reverse(all)
	return all
}

// keepOut has a plugin that runs take nobody new for a while, or for longer.
func (r *Runner) keepOut(span time.Duration) {
	was := r.state.Load()
	if !was.Works() {
		return
	}
	reason := fmt.Sprintf("in the last minute its faults came from %d networks or more and were more than %d %% of its events; "+
		"who is served already is served on", guiltyNetworks, 100/guiltyShare)
	if r.state.CompareAndSwap(was, &State{Phase: Quarantined, Reason: reason, Until: r.room.now().Add(span), faulty: true}) {
		r.log.Error("plugin quarantined: it takes nobody new", "for", span, "why", reason)
		r.tellPlugin(string(Quarantined), reason)
	}
}

// letIn ends a quarantine for faults whose time is over.
func (r *Runner) letIn(was *State) State {
	if r.state.CompareAndSwap(was, &State{Phase: Running}) {
		r.log.Info("plugin's quarantine is over")
		r.tellPlugin(string(Running), "its quarantine is over")
	}
	return *r.state.Load()
}
