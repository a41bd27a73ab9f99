package session

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
)

// telling is how far a session is with what it is told.
type telling struct {
	cur       *current // idle between events
	kind      kind
	refuse    uint8  // batches refused in a row
	solo      bool   // the event under way wants a frame of its own
	late      bool   // the event under way, or its frame, has run out of time once
	limitTold bool   // the journal has heard of the limit that keeps it out
	lost      losses // of the event under way
}

// current is the event that is under way.
type current struct {
	event abi.Event
	from  origin
	conn  *conn
	input delivery
	point *point.Point // that an unanswered POINT tells of
	data  abi.Data     // the event, for input
}

// idle is what a session has under way that is told nothing, as most viewers all the
// time. Nobody writes to it.
var idle = &current{}

type origin uint8

const (
	fromNowhere origin = iota
	fromQueue
	fromPoint
	fromInput
	fromPackets
	fromHeader
)

// tell makes an event the one under way. Worker.
func (s *Session) tell(e abi.Event, from origin) *current {
	if s.cur == idle {
		s.cur = s.w.scratch.current()
	}
	s.cur.event, s.cur.from = e, from
	return s.cur
}

// tellInput makes what an inlet has brought the event under way. Worker.
func (s *Session) tellInput(e abi.Event, c *conn, d delivery) {
	cur := s.tell(e, fromInput)
	cur.conn, cur.input = c, d
}

// rest has no event under way. Worker.
func (s *Session) rest() {
	c := s.cur
	if c == idle {
		return
	}
	s.cur = idle
	if sc := &s.w.scratch; len(sc.spare) < maxSpare {
		*c = current{}
		sc.spare = append(sc.spare, c)
	}
}

// maxSpare is how many a worker keeps for the events to come (chosen: two frames').
const maxSpare = 2 * abi.MaxFrameEvents

// current gives a cleared one. Worker.
func (sc *scratch) current() *current {
	n := len(sc.spare)
	if n == 0 {
		return new(current)
	}
	c := sc.spare[n-1]
	sc.spare[n-1] = nil
	sc.spare = sc.spare[:n-1]
	return c
}
