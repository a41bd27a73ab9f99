package session

import (
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
)

// peek chooses the session's next event and leaves it in s.cur. Nothing is taken yet:
// an event whose call fails is chosen again.
func (s *Session) peek() bool {
	if s.cur.point != nil {
		s.noteChanged(s.cur.point) // its POINT was not answered
	}
	s.rest()
	if s.inbox.frozen || s.inbox.over.Load() {
		return false
	}
	return s.peekQueue() || s.peekInput() || s.peekPackets()
}

func (s *Session) peekQueue() bool {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	l := s.inbox.letters
	if l == nil {
		return false
	}
	if len(l.queue) > 0 {
		s.tell(l.queue[0], fromQueue)
		return true
	}
	for _, p := range s.links.watched {
		if l.points[p] && !s.isKeptBack(p) {
			delete(l.points, p) // what changes from now on is told by another
			s.inbox.tidy()
			s.tell(&abi.Point{Summary: summarize(p, p.Name(), true, s.r.room.now())}, fromPoint).point = p
			return true
		}
	}
	return false
}

func (s *Session) peekInput() bool {
	if s.links.child != nil && s.links.child.conns[0].in.full() {
		return false // the child's consumption makes this session ready again
	}
	for _, c := range s.conns {
		if c.in == nil || c.closed || (s.links.pace != nil && s.links.pace.ahead()) {
			continue
		}
		d := c.in.next()
		switch d.kind {
		case input:
			s.tellInput(nil, c, d)
			e := &s.cur.data
			*e = abi.Data{Offset: d.offset, Bytes: d.bytes}
			if d.last {
				e.Flags = abi.DataLast
			}
			e.Conn = c.number
			s.cur.event = e
			return true
		case datagrams:
			s.tellInput(c.flow.record(c.number, d), c, d)
			return true
		case inputEnd, stuck:
			if d.kind == inputEnd && s.childReads(c, d.reason) {
				continue
			}
			e := &abi.End{Reason: d.reason, Offset: d.offset}
			e.Conn = c.number
			s.tellInput(e, c, d)
			return true
		}
	}
	return false
}

// childReads reports whether the end of a connection whose input all goes to the child
// is to be kept back: the child has not come to it yet.
func (s *Session) childReads(c *conn, reason abi.EndReason) bool {
	return s.links.child != nil && !s.links.childDone && reason != abi.EndLoop && c.in.isDiverted()
}

// take notes that the current event was answered, or is given up.
func (s *Session) take() {
	switch s.cur.from {
	case fromQueue:
		s.inbox.mu.Lock()
		if n := s.inbox.queued(); n > 0 { // 0: the session is over
			s.r.bounds.forget(n, n-1)
			s.inbox.takeFirst()
		}
		s.inbox.mu.Unlock()
	case fromPoint:
		s.cur.point = nil
	case fromInput:
		s.cur.conn.in.delivered(s.cur.input)
	case fromPackets, fromHeader:
		s.links.pack.take(s.cur.from)
	}
}

// summarize describes a point to a plugin. A nil point is unknown.
func summarize(p *point.Point, name string, withHeaders bool, now time.Time) abi.PointSummary {
	sum := abi.PointSummary{Name: []byte(name)}
	if p == nil {
		return sum
	}
	sum.Template = []byte(p.Options().Template)
	snap := p.Snapshot()
	sum.State = abi.PointState(snap.State)
	sum.Reason = []byte(snap.Reason)
	if snap.HasSource {
		sum.HasSource = 1
	}
	sum.SourceGeneration = snap.Sources
	sum.Viewers = uint32(snap.Viewers)
	sum.MaxViewers = uint32(p.Options().MaxViewers)
	if p.Options().IsPush() {
		sum.Push = 1
	}
	for _, r := range snap.Renditions {
		d := abi.Rendition{Name: []byte(r.Name()), Limit: abi.Limit(r.KeepsOut(now))}
		if h := r.Log.Header(); h != nil {
			d.Generation, d.HeaderSize = h.Generation, uint32(len(h.Bytes))
			if withHeaders && len(h.Bytes) <= abi.MaxPointHeader {
				d.Header = h.Bytes
			}
		}
		sum.Renditions.Add(d)
	}
	return sum
}
