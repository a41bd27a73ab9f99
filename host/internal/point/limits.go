package point

import (
	"fmt"
	"sync"
	"time"
)

// Rates bound what viewers take of a point, or of all points of a server, besides their
// number. 0: no limit. They are judged when a viewer joins, by the rate that its rendition
// has then: a rendition that is too young for its rate to be known passes.
type Rates struct {
	Bandwidth int64 // bits a second, of all viewers together
	PerViewer int64 // bits a second of one viewer's rendition
	Joins     int   // viewers who join in a second; as many at once
}

// Limits bound a Total.
type Limits struct {
	Viewers int // at once; 0: no limit
	Rates
}

// Limit is which limit keeps a viewer out. Its values are those of the ABI (spec.md 4.3).
type Limit uint16

// The limits. OfServer is added where the limit is that of the server as a whole.
const (
	NoLimit        Limit = 0
	LimitViewers   Limit = 1
	LimitBandwidth Limit = 2
	LimitPerViewer Limit = 3
	LimitJoins     Limit = 4
	OfServer       Limit = 256
)

// Key is the limit's name in plugins.yaml, below `limits:` of the point or, with OfServer,
// of the server; empty for NoLimit.
func (l Limit) Key() string {
	switch l &^ OfServer {
	case LimitViewers:
		return "viewers"
	case LimitBandwidth:
		return "bandwidth"
	case LimitPerViewer:
		return "viewer_bandwidth"
	case LimitJoins:
		return "joins"
	}
	return ""
}

// FullError is an ErrFull that says which limit keeps a viewer out.
type FullError struct{ Limit Limit }

func (e *FullError) Error() string {
	whose := "the point's"
	if e.Limit&OfServer != 0 {
		whose = "the server's"
	}
	switch e.Limit &^ OfServer {
	case LimitBandwidth:
		return fmt.Sprintf("a further viewer would exceed %s bandwidth (limits.bandwidth)", whose)
	case LimitPerViewer:
		return fmt.Sprintf("the stream is faster than %s viewers may be sent (limits.viewer_bandwidth)", whose)
	case LimitJoins:
		return fmt.Sprintf("more viewers come at once than %s limit allows (limits.joins)", whose)
	}
	return fmt.Sprintf("%s viewer limit is reached (limits.viewers)", whose)
}

// Is makes it an ErrFull.
func (e *FullError) Is(target error) bool { return target == ErrFull }

// bucket counts joins: what it holds may come at once, and each second brings as much.
type bucket struct {
	held float64
	at   time.Time // zero: nobody has come yet
}

func (b *bucket) has(most int, now time.Time) bool {
	if most <= 0 {
		return true
	}
	if b.at.IsZero() {
		b.held = float64(most)
	} else if d := now.Sub(b.at); d > 0 {
		b.held += d.Seconds() * float64(most)
	}
	b.held, b.at = min(b.held, float64(most)), now
	return b.held >= 1
}

func (b *bucket) take(most int) {
	if most > 0 {
		b.held--
	}
}

// Total is what the viewers of several points take together, and what bounds it. It is safe
// for concurrent use; nil has no limits. Points call it with their lock held, it calls
// nobody.
type Total struct {
	mu      sync.Mutex
	limits  Limits
	viewers int
	rate    int64 // bits a second
	joins   bucket
}

// Use is what viewers take at one moment.
type Use struct {
	Viewers int
	Rate    int64 // bits a second: of each rendition, its rate for each of its viewers
}

// SetLimits puts limits in force, for who joins from now on.
func (t *Total) SetLimits(l Limits) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits.Joins != l.Joins {
		t.joins = bucket{}
	}
	t.limits = l
}

// Limits gives what is in force.
func (t *Total) Limits() Limits {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limits
}

// Use gives what is taken; the rates are those of when each rendition's viewers last came,
// left or were counted.
func (t *Total) Use() Use {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Use{t.viewers, t.rate}
}

// keepsOut gives the limit that a further viewer of so many bits a second meets.
func (t *Total) keepsOut(rate int64, now time.Time) Limit {
	if t == nil {
		return NoLimit
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.judge(rate, now); l != NoLimit {
		return l | OfServer
	}
	return NoLimit
}

func (t *Total) judge(rate int64, now time.Time) Limit {
	if l := t.limits; l.Viewers > 0 && t.viewers >= l.Viewers {
		return LimitViewers
	}
	return t.limits.judge(rate, t.rate, &t.joins, now)
}

// judge gives the limit that a further viewer of so many bits a second meets, where used
// are taken.
func (l *Rates) judge(rate, used int64, joins *bucket, now time.Time) Limit {
	switch {
	case l.PerViewer > 0 && rate > l.PerViewer:
		return LimitPerViewer
	case l.Bandwidth > 0 && used+rate > l.Bandwidth:
		return LimitBandwidth
	case !joins.has(l.Joins, now):
		return LimitJoins
	}
	return NoLimit
}

// enter takes a viewer in, or says which limit keeps it out. again: it was in before, and
// only moves.
func (t *Total) enter(rate int64, now time.Time, again bool) Limit {
	if t == nil {
		return NoLimit
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !again {
		if l := t.judge(rate, now); l != NoLimit {
			return l | OfServer
		}
		t.joins.take(t.limits.Joins)
	}
	t.viewers++
	return NoLimit
}

func (t *Total) leave() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.viewers--
	t.mu.Unlock()
}

func (t *Total) charge(more int64) {
	if t == nil || more == 0 {
		return
	}
	t.mu.Lock()
	t.rate += more
	t.mu.Unlock()
}
