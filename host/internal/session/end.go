package session

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// end closes a session and all that it holds. Worker.
func (w *worker) end(s *Session, reason string) { w.endAs(s, abi.CloseNow, reason, reason) }

// endWith is end with a longer text for people.
func (w *worker) endWith(s *Session, reason, text string) { w.endAs(s, abi.CloseNow, reason, text) }

func (w *worker) endAs(s *Session, mode abi.CloseMode, reason, text string) {
	if s.inbox.over.Load() {
		return
	}
	s.inbox.over.Store(true)
	s.dropQueue()
	if w.open.Add(-1) == 0 && w.leaving {
		w.post(w.retire)
	}
	w.r.open.Add(-1)
	w.r.forgetBody(s.links.x)
	delete(w.sessions, s.id)
	w.leaveEra(s)
	w.unbind(s)
	for id, t := range s.links.timers {
		w.timers.cancel(t)
		delete(s.links.timers, id)
	}
	for _, t := range s.links.kept {
		w.timers.cancel(t)
	}
	for _, p := range s.links.watched {
		p.Unwatch(s)
	}
	w.endExchange(s, reason, text)
	if x := s.links.x; x != nil {
		w.timers.cancel(x.timer)
		if c := s.conns[0]; c.net != nil {
			c.net = nil // the answer that is under way ends the connection
		}
	}
	for _, c := range s.conns {
		w.timers.cancel(c.greeting)
		c.close(mode)
	}
	if s.view != nil {
		s.view.close(mode)
	}
	if s.links.answer != nil {
		s.links.answer(documentAnswer{Err: denyf(abi.ECLOSED, "plugin %s: %s", w.r.name, text)})
	}
	w.endSource(s, reason, text)
	w.endPackager(s)
	if !w.r.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	w.r.log.Debug("session ended", "session", s.id, "peer", s.name(), "point", s.on, "reason", reason, "why", text)
}

// endExchange answers a request that the plugin has left unanswered.
func (w *worker) endExchange(s *Session, reason, text string) {
	x := s.links.x
	if x == nil || x.over {
		return
	}
	switch {
	case reason == "peer_closed" || reason == "answered":
		x.abandon()
	case reason == "timeout":
		x.answer(w.r.textAnswer(http.StatusGatewayTimeout, "the plugin "+w.r.name+" did not answer in time"))
	default:
		_, after := w.r.blame.admits(w.r.room.now(), s.network())
		x.answer(excuse{text: "the plugin " + w.r.name + " cannot answer: " + text, wait: after}.answer(w.r.words()))
	}
}

func (w *worker) endSource(s *Session, reason, text string) {
	if child := s.links.child; child != nil {
		child.conns[0].in.finish(abi.EndClosed)
		child.w.post(func() { child.link().parent = nil })
	}
	if s.links.feed != nil {
		if why, stopped := s.links.feed.Point().IsStopped(); stopped {
			text = why // the rest is how its peer took it
		}
		w.r.log.Info("source left", "point", s.on, "source", s.links.feed.Owner(), "why", text)
		s.left(text)
		s.links.feed.Close(text)
		switch p := s.links.parent; {
		case p == nil:
		case reason == inputOver:
			p.w.post(func() { // its own END was kept back until now
				p.link().childDone = true
				p.markReady()
			})
		default:
			p.enqueue(&abi.Stop{Reason: abi.StopChild, Text: []byte(text)})
		}
	}
	if s.kind == kindSource {
		w.r.room.sourceEnded(s.on, reason, text)
	}
}

// inputOver is why a session ends that has answered the end of its input.
const inputOver = "peer_closed"

func (w *worker) endPackager(s *Session) {
	p := s.links.pack
	if p == nil {
		return
	}
	p.from.Log.RemoveWaker(s)
	p.to.Point().Remove(p.to)
}

// endPaced lets the packets that wait for their time go out before the session ends.
func (w *worker) endPaced(s *Session, reason string) {
	p := s.links.pace
	if p == nil || len(p.queue) == 0 {
		w.end(s, reason)
		return
	}
	last := p.queue[len(p.queue)-1].due
	w.timers.add(last.Add(time.Millisecond), func() { w.end(s, reason) })
}
