package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// dispatch makes one frame of what is ready, calls the plugin and applies its answer.
// It reports whether there was anything to do. With postsFirst it does nothing while
// posts wait, whose poke ends the loop's sleep: what was posted before a session became
// ready makes the session known. Worker.
func (w *worker) dispatch(postsFirst bool) bool {
	w.mail.mu.Lock()
	if postsFirst && len(w.mail.posts) > 0 {
		w.mail.mu.Unlock()
		return false
	}
	batch := append(w.scratch.batch[:0], w.mail.ready...)
	clear(w.mail.ready)
	w.mail.ready = w.mail.ready[:0]
	w.mail.mu.Unlock()
	w.scratch.batch = batch
	batch = w.setAside(batch)
	if len(batch) == 0 && len(w.aside) == 0 {
		return false
	}
	defer w.scratch.forget()
	w.handle(batch)
	w.handleAside(len(batch) > 0)
	return true
}

// handle makes one frame of sessions that are ready, calls the plugin and applies its
// answer. Those that find no place in it are ready again. Worker.
func (w *worker) handle(batch []*Session) {
	if len(batch) == 0 {
		return
	}
	for _, s := range batch {
		s.inbox.ready.Store(false)
	}
	e := w.eraOfFirst(batch) // a frame is of one era; the others' sessions stay ready
	if e == nil && w.now != nil {
		return // all have ended
	}
	if !w.ensureInstance(e) {
		for _, s := range batch {
			if w.eraOf(s) == e || s.inbox.over.Load() {
				w.hold(s)
			} else {
				w.markReady(s)
			}
		}
		return
	}
	taken := w.build(e, batch)
	if len(taken) == 0 {
		return
	}
	if !e.called {
		e.called = true
		w.warm(e, false)
	}
	w.r.blame.handled(w.r.room.now(), len(taken)) // not those that are tried again
	w.run(taken)
	for _, s := range batch {
		w.again(s)
	}
}

// forget lets go of what a frame was about, so that an ended session holds no memory
// until a frame as large comes again.
func (sc *scratch) forget() {
	clear(sc.batch)
	clear(sc.taken[:cap(sc.taken)])
	clear(sc.slices[:cap(sc.slices)])
	sc.b = batch{dials: sc.b.dials[:0]}
}

// again puts a session back onto the ready list when it has more to be told.
func (w *worker) again(s *Session) {
	if !s.inbox.over.Load() && s.peek() {
		w.markReady(s)
	}
}

// build fills the frame with one event for each session of the era that has one.
// Sessions of others, and those that find no room, stay ready.
func (w *worker) build(e *era, batch []*Session) []*Session {
	sc := &w.scratch
	sc.w.Reset(sc.frame[:e.inst.Inbox()])
	taken, weight := sc.taken[:0], 0
	sc.stands = sc.stands[:0]
	for _, s := range batch {
		if s.inbox.over.Load() {
			continue
		}
		if w.eraOf(s) != e || len(taken) == abi.MaxFrameEvents || weight >= maxWeight || s.solo && len(taken) > 0 {
			w.markReady(s)
			continue
		}
		if !s.peek() {
			continue
		}
		if s.era != e { // a packager has come to its key packet
			w.markReady(s)
			continue
		}
		weight += s.weight()
		if s.cur.input.kind == stuck {
			w.r.log.Warn("session ended: its plugin consumes nothing of a full delivery", "session", s.id, "peer", s.name())
			w.end(s, "input_overflow")
			continue
		}
		mark, n := sc.w.Mark()
		if w.put(s) != nil {
			sc.w.Truncate(mark, n)
			if len(taken) == 0 {
				w.r.log.Error("event does not fit into the plugin's inbox", "event", s.cur.event.Op(), "session", s.id)
				w.end(s, "event_too_big")
				continue
			}
			w.markReady(s)
			continue
		}
		taken = append(taken, s)
		end, last := sc.w.Mark()
		sc.stands = append(sc.stands, stand{mark, end, last - n, s.held()})
		if s.solo {
			weight = maxWeight // nobody else in this frame
		}
	}
	sc.taken = taken
	return taken
}

// maxWeight bounds one frame's answers, so that they fit into the smallest outbox
// (abi.MinInbox holds for both boxes; half of it is left for what a plugin adds).
const maxWeight = 96 << 10

// weight estimates the bytes of verdicts that the current event calls for.
func (s *Session) weight() int {
	const perNote, perEvent = 160, 1 << 10
	switch s.cur.from {
	case fromInput:
		return perEvent + len(s.cur.input.bytes) + abi.DatagramNoteSize*len(s.cur.input.sizes)
	case fromPackets:
		return perNote * len(s.links.pack.window)
	}
	return perEvent
}

// put writes a session's state and current event into the frame.
func (w *worker) put(s *Session) error {
	now := w.r.room.now()
	h := s.cur.event.EventHead()
	h.UnixNano, h.MonoNano = now.UnixNano(), int64(now.Sub(w.r.room.started))
	for i := 0; i < len(h.Entropy); i += 8 {
		binary.LittleEndian.PutUint64(h.Entropy[i:], w.entropy.Uint64())
	}
	if len(s.blob) > 0 {
		st := &w.scratch.state
		*st = abi.State{Head: *h, Blob: s.blob, Schema: []byte(s.schema)}
		if err := w.scratch.w.Put(s.id, 0, st); err != nil {
			return err
		}
	}
	return w.scratch.w.Put(s.id, 0, s.cur.event)
}

// run calls the plugin with the frame. When the call faults, the guilty are looked for
// on fresh instances, so that only they pay. It reports whether a fault was told of.
func (w *worker) run(taken []*Session) bool {
	verdicts, fault := w.call(w.scratch.w.Bytes(), taken)
	if fault == nil {
		fault = w.collect(verdicts, taken)
	}
	if fault == nil {
		now := w.r.room.now()
		for i, s := range taken {
			s.late, s.lost = false, losses{}
			batch := w.scratch.verdict.of(i)
			if s.solo = len(taken) > 1 && w.crowdedOut(s, batch); s.solo {
				continue
			}
			s.take()
			w.answer(s, batch)
			w.keep(s, w.scratch.stands[i], now)
		}
		taken[0].era.gen.tally.answered(now, len(taken))
		return false
	}
	w.discard(taken[0].era, fault)
	return w.retry(taken, fault)
}

// crowdedOut reports whether a session of a frame of several may have found no room for
// its verdicts, since the others filled the outbox: it is then told the same again in a
// frame of its own, so that no answer depends on how events were batched.
func (w *worker) crowdedOut(s *Session, batch []abi.Raw) bool {
	switch {
	case len(batch) == 0:
		return s.cur.from == fromInput && s.cur.input.kind == input
	case len(batch) == 1 && batch[0].Op == abi.OpFail:
		f := &w.scratch.rec.rest.fail
		return w.scratch.reader.Decode(batch[0], f) == nil && f.Code == abi.ETOOBIG
	}
	return false
}

func (w *worker) call(frame []byte, taken []*Session) ([]byte, *plugin.Fault) {
	e := taken[0].era
	hard, slow := callLimits(e.gen.Limits(), taken)
	w.watch.start(e.gen.Carrier())
	verdicts, fault := e.inst.Call(hard, frame)
	took := w.watch.stop(&w.r.counts.spent, len(frame), len(verdicts))
	w.r.counts.calls.Add(1)
	w.r.counts.events.Add(uint64(len(taken)))
	if took > slow {
		w.r.counts.slow.Add(1)
	}
	w.r.room.metrics.Called(w.r.name, took, len(taken))
	if fault != nil {
		complete(fault, frame, taken)
	}
	return verdicts, fault
}

// collect sorts a frame of verdicts by session.
func (w *worker) collect(frame []byte, taken []*Session) *plugin.Fault {
	if err := w.scratch.verdict.collect(&w.scratch.reader, frame, taken); err != nil {
		f := &plugin.Fault{Plugin: w.r.name, Generation: taken[0].era.gen.Number(), Kind: plugin.BadBatch, Cause: err}
		if errors.Is(err, errForeign) {
			f.Kind = plugin.ForeignSession
		}
		complete(f, w.scratch.w.Bytes(), taken)
		return f
	}
	return nil
}

// complete adds what the carrier cannot know, or has not said.
func complete(f *plugin.Fault, frame []byte, taken []*Session) {
	if len(taken) == 1 && f.During == "" {
		f.During = taken[0].cur.event.Op().String()
	}
	if f.Frame == nil {
		f.Frame = bytes.Clone(frame)
	}
}

// answer applies one session's batch.
func (w *worker) answer(s *Session, batch []abi.Raw) {
	if s.inbox.over.Load() {
		return
	}
	during := s.cur.event.Op()
	if refusal := w.apply(s, batch); refusal != nil {
		w.refused(s, refusal, during)
	} else {
		s.refuse = 0
		if p := s.links.pack; p != nil {
			p.done()
		}
	}
	for _, c := range s.conns {
		if c.in != nil {
			c.in.settle(c.retain, c.keeps, s.limits().Retained)
		}
	}
	s.forgetClosed()
	w.settle(s)
}

// maxRefused is how many batches in a row a session may have refused (chosen: one for
// the mistake, one for a bad apology).
const maxRefused = 3

func (w *worker) refused(s *Session, x *refusal, during abi.Op) {
	if x.fault != nil {
		w.guiltyBatch(s, x.fault)
		return
	}
	w.r.counts.refused.Add(1)
	w.r.room.metrics.Refused(w.r.name, x.code.String())
	level := slog.LevelWarn
	if x.isOrdinary() {
		level = slog.LevelDebug
	}
	w.r.log.Log(context.Background(), level, "verdicts refused, none of the batch is carried out", "kind", x.code.String(), "verdict", x.op, "why", x.text,
		"session", s.id, "peer", s.name(), "point", s.on)
	if s.refuse++; s.refuse >= maxRefused {
		w.end(s, "refused")
		return
	}
	s.enqueue(&abi.Refused{Verdict: uint32(x.index), Code: x.code, Text: []byte(x.text), During: during, Limit: x.limit})
}

// settle ends a session that has nothing left to do.
func (w *worker) settle(s *Session) {
	if s.inbox.over.Load() {
		return
	}
	switch e := s.cur.event.(type) {
	case *abi.HTTPRequest, *abi.Refused:
		w.endUnanswered(s)
	case *abi.End:
		if e.Reason != abi.EndLoop && s.view == nil && !s.isParked() && !s.goesOn(e.Conn) {
			w.endPaced(s, inputOver)
		}
	case *abi.Detached:
		switch v := s.view; {
		case v == nil:
			w.end(s, string(e.Reason))
		case !v.hasLeft():
		case s.leftFlow():
			s.view = nil // the plugin has closed a flow, and may attach another connection
		default:
			w.end(s, string(e.Reason))
		}
	case *abi.Stop:
		if s.kind == kindExchange || s.kind == kindRaw || s.kind == kindSource {
			w.endAs(s, abi.CloseFlush, "stopped", string(e.Text))
		}
	case *abi.DocumentRequest:
		w.end(s, "answered")
	}
}
