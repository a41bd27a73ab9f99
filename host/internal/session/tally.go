package session

import (
	"sync"
	"time"
)

// maxCulprits is how many sources of faults are told apart (chosen: 16 KiB; so many are
// bad enough).
const maxCulprits = 256

// tally is what a generation has done within the last minute. Its zero value has seen
// nothing; it is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	seconds [judgedTime]second
	from    culprits
}

// answered counts events.
func (t *tally) answered(now time.Time, events int) {
	t.mu.Lock()
	t.now(now.Unix()).events += uint64(events)
	t.mu.Unlock()
}

// fault counts an event that was guilty, of one among those.
func (t *tally) fault(now time.Time, among []culprit) {
	at := now.Unix()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.now(at)
	s.events++
	s.faults++
	if len(t.from.charges) == maxCulprits {
		t.from.forget(at - judgedTime)
	}
	t.from.add(among, at)
}

func (t *tally) now(at int64) *second {
	s := &t.seconds[uint64(at)%judgedTime]
	if s.at != at {
		*s = second{at: at}
	}
	return s
}

// minute gives what there was since a minute ago, and of how many sources the faults were.
func (t *tally) minute(now time.Time) (events, faults uint64, sources int) {
	since := now.Unix() - judgedTime
	t.mu.Lock()
	defer t.mu.Unlock()
	t.from.forget(since)
	for _, s := range t.seconds {
		if s.at > since {
			events += s.events
			faults += s.faults
		}
	}
	return events, faults, t.from.n
}
