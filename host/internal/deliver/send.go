package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// outcome says why a viewer is sent nothing more for now.
type outcome uint8

const (
	goOn     outcome = iota
	caughtUp         // nothing is left to send
	onHold           // held, or past the log's end
	blocked          // the socket is full
	shareOut         // others have their turn
	early            // its burst goes on later
	leaving          // for the reason in state.leave
)

// serve sends a viewer what it can take. It may take the viewer out.
func (w *worker) serve(v *Viewer, now time.Duration) {
	if v.udp != nil {
		w.serveUDP(v, now)
		return
	}
	end, bytes, sends := w.pump(v, now)
	if sends > 0 {
		v.count.bytes.Add(bytes)
		v.count.sends.Add(sends)
	}
	w.settle(v, end, now)
}

// settle has a viewer wait for what it needs to go on.
func (w *worker) settle(v *Viewer, end outcome, now time.Duration) {
	if end == leaving {
		w.finish(v, v.state.leave)
		return
	}
	w.note(v)
	switch end {
	case caughtUp:
		v.feed.enter(v)
	case shareOut:
		v.feed.enter(v)
		w.enqueue(v)
	case early:
		v.feed.enter(v)
		v.feed.later(now)
	case blocked:
		v.feed.setAside(v)
		w.setBlocked(v, true, now)
	case onHold:
		w.rest(v)
	}
}

func (w *worker) pump(v *Viewer, now time.Duration) (end outcome, bytes, sends uint64) {
	if v.beginsWhole() {
		if how, n, ok := w.first(v, now); ok {
			v.feed.sum.bytes += n
			v.feed.sum.sends += min(n, 1)
			return how, n, min(n, 1)
		}
	}
	c, before := convoy{}, v.cursor.Sent()
	if v.state.grace == 0 && v.state.next == nil {
		c.from = v.cursor.Mark()
	}
	for bytes < shareBytes {
		b, packets, end := v.next(w.options.SendBuffer, now)
		if end != goOn {
			if end == caughtUp && sends == 1 && c.bytes != nil {
				w.lead(v, c, before)
			}
			return end, bytes, sends
		}
		if packets && sends == 0 {
			c.start, c.bytes, c.passed = v.cursor.Mark(), b, v.cursor.Sent()-before
		}
		n, r := send(int(v.fd), b)
		if end = v.after(r); end != goOn {
			return end, bytes, sends
		}
		bytes += uint64(n)
		sends++
		v.feed.sum.bytes += uint64(n) // of the log that they are of: next may change it
		v.feed.sum.sends++
		if packets {
			v.cursor.Advance(n)
		} else {
			v.wrote(n)
		}
		if n < len(b) {
			return blocked, bytes, sends
		}
	}
	return shareOut, bytes, sends
}

// after tells what the result of a send means for a viewer: goOn, blocked or leaving.
func (v *Viewer) after(r result) outcome {
	switch r {
	case full:
		return blocked
	case hungUp:
		v.state.leave = PeerClosed
		return leaving
	case failed:
		v.state.leave = WriteError
		return leaving
	}
	return goOn
}

// rest sets a viewer aside that is sent nothing until it is asked to go on.
func (w *worker) rest(v *Viewer) {
	v.feed.setAside(v)
	if v.state.asked && v.sink != nil {
		v.sink.Held(Detached)
	}
	v.state.asked = false
}

// next gives the bytes to be sent next, and whether they are packets. With an
// outcome other than goOn there are none.
func (v *Viewer) next(limit int, now time.Duration) (b []byte, packets bool, end outcome) {
	for {
		if v.cursor.AtBoundary() {
			if v.out.pending() {
				return v.out.buf[v.out.off:], false, goOn
			}
			if end := v.between(); end != goOn {
				return nil, false, end
			}
		} else if v.out.pending() || v.state.leave != None || v.state.next != nil || v.state.held {
			limit = 1 // only the rest of the packet
		}
		b, st := v.cursor.BatchTo(limit, v.allowed(now))
		switch st {
		case stream.More:
			return b, true, goOn
		case stream.Empty:
			v.state.grace, v.state.burst = 0, noBurst
			return nil, false, caughtUp
		case stream.Early:
			return nil, false, early
		case stream.Overrun:
			v.late()
		case stream.HeaderChange:
			v.apply(v.rules.change, HeaderChange)
		case stream.Ended:
			if v.state.ended {
				return nil, false, onHold
			}
			v.state.ended = true
			v.apply(v.rules.end, SourceEnd)
		}
	}
}

// between does what is to be done where one packet has ended and the next has not
// begun, when nothing is left to be written.
func (v *Viewer) between() outcome {
	s := &v.state
	switch {
	case s.leave != None:
		return leaving
	case s.next != nil:
		v.change()
	case s.held:
		return onHold
	}
	if v.tooLate() {
		v.late()
	}
	if s.leave != None {
		return leaving
	}
	return goOn
}

// wrote says that n bytes of the output were sent.
func (v *Viewer) wrote(n int) {
	v.out.off += n
	if !v.out.pending() {
		v.owes.Add(-int32(v.out.owed))
		v.out = nil
	}
}

func (v *Viewer) resume() {
	if v.state.turned {
		v.state.turned = false
		v.cursor.TakeHeader()
	}
	v.state.held, v.state.asked = false, false
	v.beginBurst()
}

// change goes over to another log.
func (v *Viewer) change() {
	s := &v.state
	w := v.worker
	w.note(v) // on the log that it leaves
	l := s.next
	s.next, s.held, s.asked, s.turned, s.ended = nil, false, false, false, false
	v.cursor = l.cursor
	if v.udp != nil {
		v.udp.cutAt(int(l.segment))
	}
	_, v.state.grace, _ = v.cursor.Lag()
	v.beginBurst()
	by := v.feed.by
	w.leave(v)
	w.join(v, l.log, by)
}

// apply carries out a rule.
func (v *Viewer) apply(r Rule, why Reason) {
	v.add(r.Bytes, 0)
	switch r.Mode {
	case Close:
		v.state.leave = why
		return
	case Continue:
		if why == HeaderChange {
			v.cursor.TakeHeader()
			return
		}
	}
	v.state.held = true
	v.state.turned = why == HeaderChange
	if r.Mode == Event && v.sink != nil {
		v.sink.Held(why)
	}
}

func (v *Viewer) tooLate() bool {
	if v.rules.maxLag <= 0 {
		return false
	}
	_, d, _ := v.cursor.Lag()
	return d > v.rules.maxLag+v.state.grace
}

// late carries out the rule for viewers that are too far behind.
func (v *Viewer) late() {
	if v.rules.onLag == LagDrop {
		v.state.leave = Lag
		return
	}
	if v.state.missing = Overran; v.tooLate() {
		v.state.missing = TooLate
	}
	if _, ok := v.cursor.SkipToKey(); ok {
		v.state.grace = 0
		v.beginBurst()
	}
}

// checkLag applies the lag rule to a viewer whose socket is full.
func (w *worker) checkLag(v *Viewer) {
	if v.state.held || !v.cursor.Lost() && !v.tooLate() {
		return
	}
	v.late()
	if v.state.leave == Lag {
		w.finish(v, Lag)
		return
	}
	w.note(v)
}

// releaseHeld moves a held viewer on whose place has left the log: it goes on at a key
// packet anyway, and would keep a chunk alive as long as it is held. One that is dropped
// for lag stays as it is, since it leaves when it goes on.
func (w *worker) releaseHeld(v *Viewer) {
	if v.rules.onLag == LagDrop || !v.cursor.AtBoundary() || !v.cursor.Lost() {
		return
	}
	if v.state.turned { // what it was told of is the header of its old place
		v.state.turned = false
		v.cursor.TakeHeader()
	}
	v.late()
	w.note(v)
}
