package access

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// freeFailures is how many attempts of a network may fail before it must wait (the brief:
	// a person's typing errors, and a player that tries by itself).
	freeFailures = 10
	// firstWait and lastWait are how long it then waits: twice as long after each further one.
	firstWait, lastWait = time.Second, time.Minute
	// quietTime is how long no attempt must fail until a network is forgotten (chosen).
	quietTime = 10 * time.Minute
	// maxFailing is how many networks are remembered; beyond it the one is forgotten that has
	// been quiet for longest (chosen: 0.1 ms to look through).
	maxFailing = 4096
	// maxListed is how many a snapshot names.
	maxListed = 64
)

// Waiting is a network whose attempts to log in are refused for a while.
type Waiting struct {
	Network  netip.Prefix
	Until    time.Time
	Failures int // since it was last quiet
}

// NetworkOf is what counts as one when somebody misbehaves: the /24 of an IPv4 address, the /64 of an IPv6 one. Of an
// invalid address it is the zero Prefix.
func NetworkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // zero for an invalid address
	return p
}

// throttle counts attempts that have failed. Its zero value has none.
type throttle struct {
	mu      sync.Mutex
	failing map[netip.Prefix]*failing
}

type failing struct {
	count int
	last  time.Time
	until time.Time
	span  time.Duration
}

// wait is how long a peer must wait; 0: it need not.
func (t *throttle) wait(now time.Time, from netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.failing[NetworkOf(from)]; f != nil {
		return max(f.until.Sub(now), 0)
	}
	return 0
}

// fail counts a failure, and tells whether the peer's network must wait for it.
func (t *throttle) fail(now time.Time, from netip.Addr) bool {
	of := NetworkOf(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.failing[of]
	if f == nil {
		if t.failing == nil {
			t.failing = map[netip.Prefix]*failing{}
		}
		if len(t.failing) >= maxFailing {
			t.forget(now)
		}
		f = &failing{}
		t.failing[of] = f
	}
	if now.Sub(f.last) >= quietTime {
		*f = failing{}
	}
	f.count, f.last = f.count+1, now
	if f.count < freeFailures {
		return false
	}
	f.span = min(max(2*f.span, firstWait), lastWait)
	f.until = now.Add(f.span)
	return true
}

// forget makes room: all that are quiet, else the quietest. The lock is held.
func (t *throttle) forget(now time.Time) {
	var quietest netip.Prefix
	var since time.Time
	was := len(t.failing)
	for of, f := range t.failing {
		if now.Sub(f.last) >= quietTime {
			delete(t.failing, of)
		} else if since.IsZero() || f.last.Before(since) {
			quietest, since = of, f.last
		}
	}
	if len(t.failing) == was {
		delete(t.failing, quietest)
	}
}

// list gives those that must wait now, the longest first, and how many they are.
func (t *throttle) list(now time.Time) (all []Waiting, n int) {
	t.mu.Lock()
	for of, f := range t.failing {
		if f.until.After(now) {
			all = append(all, Waiting{of, f.until, f.count})
		}
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b Waiting) int {
		if c := b.Until.Compare(a.Until); c != 0 {
			return c
		}
		return a.Network.Addr().Compare(b.Network.Addr())
	})
	n = len(all)
	return all[:min(n, maxListed)], n
}
