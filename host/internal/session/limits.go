package session

import (
	"net/http"
	"time"
)

// limits bound what peers may make a plugin hold.
type limits struct {
	sessions int64 // of one plugin
	bodies   int   // of one plugin, accepted and not published
	// An encoder that sends nothing for its point's grace, but no less and no more than
	// this, counts as gone: a network that has vanished would else hold the point until
	// TCP gives up.
	leastSilence, mostSilence time.Duration
	// A raw connection's pattern is its first bytes only: its plugin must have found
	// something to take or to answer before this.
	greeting time.Duration
}

const (
	maxSessions  = 65_536           // chosen: more viewers than two cores serve
	maxBodies    = 256              // chosen: an encoder publishes within its first bytes
	leastSilence = 10 * time.Second // chosen: above any pause of a live encoder
	mostSilence  = time.Minute      // chosen: twice the default grace
	greetingTime = 10 * time.Second // chosen: twice a listener's for the first bytes
)

var usualLimits = limits{maxSessions, maxBodies, leastSilence, mostSilence, greetingTime}

// expectGreeting ends a raw connection of which its plugin makes nothing in time. Runner.
func (r *Runner) expectGreeting(s *Session) {
	if s.inbox.over.Load() || s.conns[0].greeted {
		return
	}
	s.conns[0].greeting = r.timers.add(r.room.now().Add(r.room.limits.greeting), func() {
		if s.role() == RoleNone {
			r.end(s, "timeout")
		}
	})
}

// greet notes that the plugin has taken or answered something. Runner.
func (c *conn) greet(r *Runner) {
	if !c.greeted {
		c.greeted = true
		r.timers.cancel(c.greeting)
	}
}

// The reasons for which requests are turned away, as metric labels.
const (
	tooManySessions = "too_many_sessions"
	tooManyBodies   = "too_many_bodies"
)

// hasRoom reports whether the plugin may have another session of a client. Requests that
// come at the same moment may go over the bound by as many. Any goroutine.
func (r *Runner) hasRoom(peer string) bool {
	if r.open.Load() < r.room.limits.sessions {
		return true
	}
	r.decline(tooManySessions, peer)
	return false
}

func (r *Runner) decline(reason, peer string) {
	r.counts.refused.Add(1)
	r.room.metrics.Refused(r.name, reason)
	r.log.Debug("peer turned away", "reason", reason, "peer", peer)
}

// takeBody counts a request's body that is accepted, unless there are too many. Runner.
func (r *Runner) takeBody(x *exchange) bool {
	if r.bodies >= r.room.limits.bodies {
		r.decline(tooManyBodies, x.x.Remote.String())
		return false
	}
	r.bodies++
	x.body = true
	return true
}

// forgetBody takes a body out of the count: it was published, or its session ends.
// Runner.
func (r *Runner) forgetBody(x *exchange) {
	if x != nil && x.body {
		x.body = false
		r.bodies--
	}
}

// busy is the answer to a client that may come again later.
func busy(text string) answer {
	return withHeader(textAnswer(http.StatusServiceUnavailable, text), http.Header{"Retry-After": {"5"}})
}
