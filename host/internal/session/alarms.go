package session

import (
	"sync"
	"time"
)

// alarms are timers whose goroutines are waited for. The zero value has none.
type alarms struct {
	set   map[*alarm]struct{} // that have not gone off
	loops sync.WaitGroup      // of those, and of what they have begun
}

// alarm is one of them.
type alarm struct{ timer *time.Timer }

// after has f run after d, on a goroutine of its own, which stop waits for. The lock is held,
// and closed is false.
func (s *sources) after(d time.Duration, f func()) *alarm {
	x, a := &s.alarms, &alarm{}
	if x.set == nil {
		x.set = map[*alarm]struct{}{}
	}
	x.set[a] = struct{}{}
	x.loops.Add(1)
	a.timer = time.AfterFunc(d, func() {
		defer x.loops.Done()
		s.mu.Lock()
		delete(x.set, a)
		s.mu.Unlock()
		f()
	})
	return a
}

// cancel takes an alarm back, unless it is nil or has gone off. The lock is held.
func (s *sources) cancel(a *alarm) {
	if a != nil && a.timer.Stop() {
		delete(s.alarms.set, a)
		s.alarms.loops.Done()
	}
}
