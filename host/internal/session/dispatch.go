package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// slowCall is the soft limit of one event: it is counted, not punished
// (containment.md, "Limits").
const slowCall = 5 * time.Millisecond

// dispatch makes one frame of what is ready, calls the plugin and applies its answer.
// It reports whether there was anything to do. With postsFirst it does nothing while
// posts wait, whose poke ends the loop's sleep: what was posted before a session became
// ready makes the session known. Runner.
func (r *Runner) dispatch(postsFirst bool) bool {
	r.mail.mu.Lock()
	if postsFirst && len(r.mail.posts) > 0 {
		r.mail.mu.Unlock()
		return false
	}
	batch := append(r.scratch.batch[:0], r.mail.ready...)
	clear(r.mail.ready)
	r.mail.ready = r.mail.ready[:0]
	r.mail.mu.Unlock()
	r.scratch.batch = batch
	if len(batch) == 0 {
		return false
	}
	defer r.scratch.forget()
	for _, s := range batch {
		s.inbox.ready.Store(false)
	}
	if !r.ensureInstance() {
		for _, s := range batch {
			r.hold(s)
		}
		return true
	}
	taken := r.build(batch)
	if len(taken) == 0 {
		return true
	}
	r.run(taken)
	for _, s := range batch {
		r.again(s)
	}
	return true
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
func (r *Runner) again(s *Session) {
	if !s.inbox.over.Load() && s.peek() {
		r.markReady(s)
	}
}

// build fills the frame with one event for each session that has one. Sessions that
// find no room stay ready.
func (r *Runner) build(batch []*Session) []*Session {
	sc := &r.scratch
	sc.w.Reset(sc.frame[:r.inst.Inbox()])
	taken, weight := sc.taken[:0], 0
	for _, s := range batch {
		if len(taken) == abi.MaxFrameEvents || weight >= maxWeight || s.solo && len(taken) > 0 {
			r.markReady(s)
			continue
		}
		if !s.peek() {
			continue
		}
		weight += s.weight()
		if s.cur.input.kind == stuck {
			r.log.Warn("session ended: its plugin consumes nothing of a full delivery", "session", s.id, "peer", s.name)
			r.end(s, "input_overflow")
			continue
		}
		mark, n := sc.w.Mark()
		if r.put(s) != nil {
			sc.w.Truncate(mark, n)
			if len(taken) == 0 {
				r.log.Error("event does not fit into the plugin's inbox", "event", s.cur.event.Op(), "session", s.id)
				r.end(s, "event_too_big")
				continue
			}
			r.markReady(s)
			continue
		}
		taken = append(taken, s)
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
func (r *Runner) put(s *Session) error {
	now := r.room.now()
	h := s.cur.event.EventHead()
	h.UnixNano, h.MonoNano = now.UnixNano(), int64(now.Sub(r.room.started))
	for i := 0; i < len(h.Entropy); i += 8 {
		binary.LittleEndian.PutUint64(h.Entropy[i:], r.entropy.Uint64())
	}
	if len(s.blob) > 0 {
		st := &r.scratch.state
		*st = abi.State{Head: *h, Blob: s.blob, Schema: []byte(s.schema)}
		if err := r.scratch.w.Put(s.id, 0, st); err != nil {
			return err
		}
	}
	return r.scratch.w.Put(s.id, 0, s.cur.event)
}

// run calls the plugin with the frame. When the call faults, each session's event is
// tried alone on a fresh instance, so that only the guilty one pays. It reports whether
// a fault was told of.
func (r *Runner) run(taken []*Session) bool {
	verdicts, fault := r.call(r.scratch.w.Bytes(), taken)
	if fault == nil {
		fault = r.collect(verdicts, taken)
	}
	if fault == nil {
		for i, s := range taken {
			s.late = false
			batch := r.scratch.verdict.of(i)
			if s.solo = len(taken) > 1 && r.crowdedOut(s, batch); s.solo {
				continue
			}
			s.take()
			r.answer(s, batch)
		}
		return false
	}
	r.discard(fault)
	if len(taken) == 1 && !r.pardons(taken[0], fault) {
		r.guilty(taken[0], fault)
		return true
	}
	if len(taken) == 1 {
		return r.alone([]*Session{taken[0]})
	}
	for _, s := range taken {
		s.late = s.late || fault.Kind == plugin.Deadline // alone is the second try
	}
	if r.alone(append([]*Session(nil), taken...)) {
		return true
	}
	r.unexplained(fault, len(taken))
	return true
}

// unexplained tells of a frame's fault that none of its events brings alone.
func (r *Runner) unexplained(f *plugin.Fault, events int) {
	r.counts.faults.Add(1)
	r.counts.lastFault.Store(&FaultReport{At: r.room.now(), Fault: f})
	r.room.metrics.Faulted(r.name, f.Kind.String())
	r.log.Error("plugin fault; no session alone repeats it", "kind", f.Kind.String(), "events", events, "fault", f.Error())
	r.log.Debug("plugin fault in full", "fault", fmt.Sprintf("%+v", f))
}

// crowdedOut reports whether a session of a frame of several may have found no room for
// its verdicts, since the others filled the outbox: it is then told the same again in a
// frame of its own, so that no answer depends on how events were batched.
func (r *Runner) crowdedOut(s *Session, batch []abi.Raw) bool {
	switch {
	case len(batch) == 0:
		return s.cur.from == fromInput && s.cur.input.kind == input
	case len(batch) == 1 && batch[0].Op == abi.OpFail:
		f := &r.scratch.rec.rest.fail
		return r.scratch.reader.Decode(batch[0], f) == nil && f.Code == abi.ETOOBIG
	}
	return false
}

// pardons reports whether a session's event is tried once more on a fresh instance: it
// ran out of time, which on a busy machine happens to the innocent too. An event whose
// frame did so before has been tried twice already.
func (r *Runner) pardons(s *Session, f *plugin.Fault) bool {
	if f.Kind != plugin.Deadline || s.late {
		return false
	}
	s.late = true
	r.counts.slow.Add(1)
	r.log.Warn("event ran out of time; it is tried once more", "event", s.cur.event.Op().String(), "session", s.id, "peer", s.name)
	return true
}

// alone tries each session's event by itself. It reports whether one brought a fault,
// or the plugin did not start again, which is told of too.
func (r *Runner) alone(suspects []*Session) (told bool) {
	for _, s := range suspects {
		if s.inbox.over.Load() {
			continue
		}
		if !r.ensureInstance() {
			r.hold(s)
			told = true
			continue
		}
		if one := r.build([]*Session{s}); len(one) == 1 && r.run([]*Session{s}) {
			told = true
		}
	}
	return told
}

func (r *Runner) call(frame []byte, taken []*Session) ([]byte, *plugin.Fault) {
	limits := r.Generation().Limits()
	began := time.Now()
	verdicts, fault := r.inst.Call(limits.Frame(len(taken)), frame)
	took := time.Since(began)
	r.counts.calls.Add(1)
	r.counts.events.Add(uint64(len(taken)))
	r.counts.callNanos.Add(int64(took))
	if took > slowCall {
		r.counts.slow.Add(1)
	}
	r.room.metrics.Called(r.name, took, len(taken))
	if fault != nil && len(taken) == 1 && fault.During == "" {
		fault.During = taken[0].cur.event.Op().String()
	}
	return verdicts, fault
}

// collect sorts a frame of verdicts by session.
func (r *Runner) collect(frame []byte, taken []*Session) *plugin.Fault {
	if err := r.scratch.verdict.collect(&r.scratch.reader, frame, taken); err != nil {
		f := &plugin.Fault{Plugin: r.name, Generation: r.Generation().Number(), Kind: plugin.BadBatch, Cause: err}
		if errors.Is(err, errForeign) {
			f.Kind = plugin.ForeignSession
		}
		if len(taken) == 1 {
			f.During = taken[0].cur.event.Op().String()
		}
		return f
	}
	return nil
}

// discard drops an instance that can no longer be trusted.
func (r *Runner) discard(f *plugin.Fault) {
	if f.Fatal() || f.Kind != plugin.Protocol {
		r.dropInstance()
	}
}

// guilty ends the one session whose event alone made the plugin fail. A packager
// only skips the packets.
func (r *Runner) guilty(s *Session, f *plugin.Fault) {
	r.counts.faults.Add(1)
	r.counts.lastFault.Store(&FaultReport{At: r.room.now(), Session: s.id, Peer: s.name, Fault: f})
	r.room.metrics.Faulted(r.name, f.Kind.String())
	r.log.Error("plugin fault", "kind", f.Kind.String(), "session", s.id, "peer", s.name, "point", s.on, "fault", f.Error())
	r.log.Debug("plugin fault in full", "fault", fmt.Sprintf("%+v", f))
	r.room.event("fault", r.name, s, f.Error())
	s.late = false
	if s.cur.event.Op() == abi.OpPackets && s.links.pack.forgive() {
		return
	}
	during := s.cur.event.Op()
	s.take()
	r.end(s, "fault_"+f.Kind.String())
	if s.kind == kindPackager {
		r.replacePackager(s, during)
	}
}

// answer applies one session's batch.
func (r *Runner) answer(s *Session, batch []abi.Raw) {
	if s.inbox.over.Load() {
		return
	}
	during := s.cur.event.Op()
	if refusal := r.apply(s, batch); refusal != nil {
		r.refused(s, refusal, during)
	} else {
		s.refuse = 0
		if p := s.links.pack; p != nil {
			p.done()
		}
	}
	for _, c := range s.conns {
		if c.in != nil {
			c.in.settle(c.retain, c.keeps)
		}
	}
	r.settle(s)
}

// maxRefused is how many batches in a row a session may have refused (chosen: one for
// the mistake, one for a bad apology).
const maxRefused = 3

func (r *Runner) refused(s *Session, x *refusal, during abi.Op) {
	if x.fault != nil {
		r.guiltyBatch(s, x.fault)
		return
	}
	r.counts.refused.Add(1)
	r.room.metrics.Refused(r.name, x.code.String())
	r.log.Debug("verdict refused", "verdict", x.op, "code", x.code.String(), "why", x.text, "session", s.id, "peer", s.name, "point", s.on)
	if s.refuse++; s.refuse >= maxRefused {
		r.end(s, "refused")
		return
	}
	s.enqueue(&abi.Refused{Verdict: uint32(x.index), Code: x.code, Text: []byte(x.text), During: during})
}

// guiltyBatch ends a session whose batch breaks the contract. The instance is whole.
func (r *Runner) guiltyBatch(s *Session, f *plugin.Fault) {
	f.Plugin, f.Generation = r.name, r.Generation().Number()
	if f.During == "" {
		f.During = s.cur.event.Op().String()
	}
	s.cur.from = fromNowhere // taken already
	r.guilty(s, f)
}

// settle ends a session that has nothing left to do.
func (r *Runner) settle(s *Session) {
	if s.inbox.over.Load() {
		return
	}
	switch e := s.cur.event.(type) {
	case *abi.HTTPRequest, *abi.Refused:
		r.endUnanswered(s)
	case *abi.End:
		if e.Reason != abi.EndLoop && s.links.view == nil {
			r.endPaced(s, inputOver)
		}
	case *abi.Detached:
		if v := s.links.view; v == nil || v.hasLeft() {
			r.end(s, string(e.Reason))
		}
	case *abi.Stop:
		if s.kind == kindExchange || s.kind == kindRaw || s.kind == kindSource {
			r.endAs(s, abi.CloseFlush, "stopped", string(e.Text))
		}
	case *abi.DocumentRequest:
		r.end(s, "answered")
	}
}
