package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// shareBytes is what one viewer may be sent before others have their turn.
// Chosen: what a capped socket takes.
const shareBytes = 512 << 10

// apply carries out one order.
func (w *worker) apply(l *letter, now time.Duration) {
	v := l.viewer
	if v.gone.Load() {
		return
	}
	switch l.order {
	case orderAttach:
		if !w.adopt(v, l) {
			return
		}
	case orderWrite:
		if v.udp != nil {
			v.udp.first = append(v.udp.first, message{l.bytes, len(l.bytes)})
		} else {
			v.add(l.bytes, len(l.bytes))
		}
	case orderHold:
		v.state.held, v.state.asked = true, true
	case orderResume:
		v.resume()
	case orderSwitch:
		v.state.next = l
	case orderFinish, orderDetach:
		if v.state.leave == None {
			v.state.leave = l.reason
		}
	case orderClose:
		w.finish(v, l.reason)
		return
	}
	if !v.state.blocked {
		w.serve(v, now)
	}
}

// adopt takes a new viewer in. It tells whether the viewer is still there.
func (w *worker) adopt(v *Viewer, l *letter) bool {
	if v.udp != nil {
		w.udp.enter(v, l.by)
		return true
	}
	if n := len(w.free); n > 0 {
		v.slot = w.free[n-1]
		w.free = w.free[:n-1]
	} else {
		v.slot = uint32(len(w.slots))
		w.slots = append(w.slots, slot{})
	}
	s := &w.slots[v.slot]
	s.viewer = v
	s.turn++
	w.totals.viewers.Add(1)
	w.totals.attached.Add(1)
	w.join(v, v.count.log.Load(), l.by)
	if err := w.poller.add(int(v.fd), v.slot, s.turn); err != nil {
		w.options.Log.Warn("viewer not attached", "err", err)
		w.finish(v, WriteError)
		return false
	}
	if len(l.bytes) > 0 && v.sink != nil {
		v.sink.Readable(l.bytes)
	}
	return true
}

// finish takes a viewer out for good.
func (w *worker) finish(v *Viewer, why Reason) {
	w.setBlocked(v, false, 0)
	w.note(v)
	v.feed.tally.left[why].Add(1)
	v.feed.flush()
	unsent := v.unsent()
	v.feed.tally.unsent[why].Add(unsent)
	w.totals.unsent[why].Add(unsent)
	w.leave(v)
	if v.udp != nil {
		w.udp.leave(v)
	} else {
		w.poller.remove(int(v.fd))
		w.slots[v.slot].viewer = nil
		w.free = append(w.free, v.slot)
	}
	w.totals.viewers.Add(-1)
	w.totals.left[why].Add(1)
	stats := v.Stats()
	v.gone.Store(true)
	v.count.log.Store(nil)
	v.cursor, v.out, v.rules, v.state = stream.Cursor{}, nil, nil, state{}
	if v.sink != nil {
		v.sink.Detached(stats, why)
	}
	if why != Detached && v.udp == nil {
		closeSocket(int(v.fd))
	}
}

func (w *worker) setBlocked(v *Viewer, blocked bool, now time.Duration) {
	if v.state.blocked == blocked {
		return
	}
	v.state.blocked = blocked
	if blocked {
		v.fullSince = now
		w.totals.waiting.Add(1)
		v.feed.tally.waiting.Add(1)
	} else {
		w.totals.waiting.Add(-1)
		v.feed.tally.waiting.Add(-1)
		v.beginBurst()
	}
}

// note publishes a viewer's place and its packets.
func (w *worker) note(v *Viewer) {
	c := &v.count
	sent, skipped := v.cursor.TakeCounts()
	if sent > 0 {
		c.packets.Add(sent)
		v.feed.sum.packets += sent
	}
	if skipped > 0 {
		c.missed.Add(skipped)
		w.totals.missed.add(v.state.missing, skipped, 0)
		v.feed.tally.missed.add(v.state.missing, skipped, 0)
	}
	if n := v.cursor.TakeSkippedBytes(); n > 0 {
		w.totals.missed.add(v.state.missing, 0, n)
		v.feed.tally.missed.add(v.state.missing, 0, n)
	}
	at, run := v.cursor.Place()
	c.at.Store(at)
	c.run.Store(int64(run))
}
