package session

import "time"

// limits bound what peers may make a plugin hold.
type limits struct {
	sessions int64 // of one plugin
	bodies   int64 // of one plugin, accepted and not published
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

// expectGreeting ends a raw connection of which its plugin makes nothing in time. Worker.
func (w *worker) expectGreeting(s *Session) {
	if s.inbox.over.Load() || s.conns[0].greeted {
		return
	}
	s.conns[0].greeting = w.timers.add(w.r.room.now().Add(w.r.room.limits.greeting), func() {
		if s.role() == RoleNone {
			w.end(s, "timeout")
		}
	})
}

// greet notes that the plugin has taken or answered something. Worker.
func (c *conn) greet(w *worker) {
	if !c.greeted {
		c.greeted = true
		w.timers.cancel(c.greeting)
	}
}

// takeBody counts a request's body that is accepted, unless there are too many. Worker.
func (r *Runner) takeBody(x *exchange) bool {
	if r.bodies.Add(1) > r.room.limits.bodies {
		r.bodies.Add(-1)
		r.turnAway(tooManyBodies, x.x.Remote)
		return false
	}
	x.body = true
	return true
}

// forgetBody takes a body out of the count: it was published, or its session ends.
// Worker.
func (r *Runner) forgetBody(x *exchange) {
	if x != nil && x.body {
		x.body = false
		r.bodies.Add(-1)
	}
}
