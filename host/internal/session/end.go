package session

import (
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// end closes a session and all that it holds. Runner.
func (r *Runner) end(s *Session, reason string) { r.endAs(s, abi.CloseNow, reason, reason) }

// endWith is end with a longer text for people.
func (r *Runner) endWith(s *Session, reason, text string) { r.endAs(s, abi.CloseNow, reason, text) }

func (r *Runner) endAs(s *Session, mode abi.CloseMode, reason, text string) {
	if s.inbox.over.Load() {
		return
	}
	s.inbox.over.Store(true)
	r.open.Add(-1)
	r.forgetBody(s.links.x)
	delete(r.sessions, s.id)
	for id, t := range s.timers {
		r.timers.cancel(t)
		delete(s.timers, id)
	}
	for _, p := range s.links.watched {
		p.Unwatch(s)
	}
	r.endExchange(s, reason, text)
	if x := s.links.x; x != nil {
		r.timers.cancel(x.timer)
		s.conns[0].net = nil // the answer that is under way ends the connection
	}
	for _, c := range s.conns {
		r.timers.cancel(c.greeting)
		c.close(mode)
	}
	if s.links.view != nil {
		s.links.view.close(mode)
	}
	if s.links.answer != nil {
		s.links.answer(documentAnswer{Err: denyf(abi.ECLOSED, "plugin %s: %s", r.name, text)})
	}
	r.endSource(s, reason, text)
	r.endPackager(s)
	r.log.Debug("session ended", "session", s.id, "peer", s.name, "point", s.on, "reason", reason, "why", text)
}

// endExchange answers a request that the plugin has left unanswered.
func (r *Runner) endExchange(s *Session, reason, text string) {
	x := s.links.x
	if x == nil || x.over {
		return
	}
	switch {
	case reason == "peer_closed" || reason == "answered":
		x.abandon()
	case reason == "timeout":
		x.answerText(504, "the plugin "+r.name+" did not answer in time")
	default:
		x.answerText(503, "the plugin "+r.name+" cannot answer: "+text)
	}
}

func (r *Runner) endSource(s *Session, reason, text string) {
	if child := s.links.child; child != nil {
		child.conns[0].in.finish(abi.EndClosed)
		child.r.post(func() { child.links.parent = nil })
	}
	if s.links.feed != nil {
		r.log.Info("source left", "point", s.on, "source", s.links.feed.Owner(), "why", text)
		s.links.feed.Close(text)
		switch p := s.links.parent; {
		case p == nil:
		case reason == inputOver:
			p.r.post(func() { // its own END was kept back until now
				p.links.childDone = true
				p.markReady()
			})
		default:
			p.enqueue(&abi.Stop{Reason: abi.StopChild, Text: []byte(text)})
		}
	}
	if s.kind == kindSource {
		r.room.sourceEnded(s.on, reason, text)
	}
}

// inputOver is why a session ends that has answered the end of its input.
const inputOver = "peer_closed"

func (r *Runner) endPackager(s *Session) {
	p := s.links.pack
	if p == nil {
		return
	}
	p.from.Log.RemoveWaker(s)
	p.to.Point().Remove(p.to)
}

// endPaced lets the packets that wait for their time go out before the session ends.
func (r *Runner) endPaced(s *Session, reason string) {
	p := s.links.pace
	if p == nil || len(p.queue) == 0 {
		r.end(s, reason)
		return
	}
	last := p.queue[len(p.queue)-1].due
	r.timers.add(last.Add(time.Millisecond), func() { r.end(s, reason) })
}
