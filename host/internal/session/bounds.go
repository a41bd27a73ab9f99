package session

import (
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// bound is a limit on what the host holds for the sessions of a plugin.
type bound uint8

const (
	stateBound bound = iota
	retainedBound
	timersBound
	writesBound
	eventsBound
	bounds // how many there are
)

// boundNames are their keys in plugins.yaml, which are metric labels too.
var boundNames = [bounds]string{"state", "retained", "timers", "pending_writes", "queued_events"}

// reached counts how often each bound kept a session from holding more.
type reached [bounds]atomic.Uint64

// reach counts that a session would have gone beyond a bound. Any goroutine.
func (r *Runner) reach(b bound) {
	r.bounds.reached[b].Add(1)
	r.room.metrics.Limited(r.name, boundNames[b])
}

// limited gives how often each bound was reached, by its key in plugins.yaml; nil if
// none was.
func (r *Runner) limited() (all map[string]uint64) {
	for b, name := range boundNames {
		if n := r.bounds.reached[b].Load(); n > 0 {
			if all == nil {
				all = map[string]uint64{}
			}
			all[name] = n
		}
	}
	return all
}

// limits are those of the generation that tells the session its events. Worker.
func (s *Session) limits() plugin.Limits {
	if s.era != nil {
		return s.era.gen.Limits()
	}
	return s.r.limits()
}

// limits are those of the generation in force. Any goroutine.
func (r *Runner) limits() plugin.Limits {
	if g := r.Generation(); g != nil {
		return g.Limits()
	}
	return plugin.DefaultLimits()
}

const (
	// maxQueued bounds the events that wait for one session (chosen: a session gets a few
	// a second; input and packets do not count, they are not queued).
	maxQueued = 64
	// freeQueued are those of a session that do not count against the plugin's bound
	// (chosen: what befalls a peer that does nothing wrong at one moment, as when all
	// viewers of a point are told of its end).
	freeQueued = 4
)

// queueBounds is what all sessions of a plugin have waiting beyond their free events.
type queueBounds struct {
	queued  atomic.Int64
	reached reached
}

// admit reports whether a session that has n events waiting may have another.
func (r *Runner) admit(n int) bool {
	switch {
	case n < freeQueued:
		return true
	case n >= maxQueued:
		return false
	case r.bounds.queued.Add(1) <= int64(r.limits().Queued):
		return true
	}
	r.bounds.queued.Add(-1)
	return false
}

// forget takes a session's waiting events, of which there were n, out of the count but
// for those that are left.
func (b *queueBounds) forget(n, left int) {
	b.queued.Add(int64(max(left, freeQueued) - max(n, freeQueued)))
}

// callLimits are how long a call for these events may take, and from when on it is slow.
func callLimits(l plugin.Limits, taken []*Session) (hard, slow time.Duration) {
	for _, s := range taken {
		if s.cur.event.Op() != abi.OpPackets {
			hard = l.Frame(len(taken))
			return hard, hard - l.Event + l.SlowEvent
		}
	}
	hard = l.PacketsFrame(len(taken))
	return hard, hard - l.Packets + l.SlowPackets
}
