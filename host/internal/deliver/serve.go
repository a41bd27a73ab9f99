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
		if !w.adopt(v, l.bytes) {
			return
		}
	case orderWrite:
		v.out.add(l.bytes)
		v.out.owed += len(l.bytes)
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
func (w *worker) adopt(v *Viewer, leftover []byte) bool {
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
	w.join(v, v.count.log.Load())
	if err := w.poller.add(v.fd, v.slot, s.turn); err != nil {
		w.options.Log.Warn("viewer not attached", "err", err)
		w.finish(v, WriteError)
		return false
	}
	if len(leftover) > 0 && v.sink != nil {
		v.sink.Readable(leftover)
	}
	return true
}

// finish takes a viewer out for good.
func (w *worker) finish(v *Viewer, why Reason) {
	w.setBlocked(v, false, 0)
	w.leave(v)
	w.poller.remove(v.fd)
	w.slots[v.slot].viewer = nil
	w.free = append(w.free, v.slot)
	w.totals.viewers.Add(-1)
	w.totals.left[why].Add(1)
	w.note(v)
	stats := v.Stats()
	v.gone.Store(true)
	v.count.log.Store(nil)
	v.cursor, v.out, v.rules, v.state = stream.Cursor{}, output{}, rules{}, state{}
	if v.sink != nil {
		v.sink.Detached(stats, why)
	}
	if why != Detached {
		closeSocket(v.fd)
	}
}

func (w *worker) setBlocked(v *Viewer, blocked bool, now time.Duration) {
	if v.state.blocked == blocked {
		return
	}
	v.state.blocked = blocked
	if blocked {
		v.state.since = now
		w.totals.waiting.Add(1)
	} else {
		w.totals.waiting.Add(-1)
	}
}

// note publishes a viewer's place and its packets.
func (w *worker) note(v *Viewer) {
	c := &v.count
	sent := v.state.sent + v.cursor.Sent()
	if old := c.packets.Load(); sent != old {
		c.packets.Store(sent)
		w.totals.packets.Add(sent - old)
	}
	skipped := v.state.skipped + v.cursor.Skipped()
	if old := c.missed.Load(); skipped != old {
		c.missed.Store(skipped)
		w.totals.dropped.Add(skipped - old)
	}
	at, run := v.cursor.Place()
	c.at.Store(at)
	c.run.Store(int64(run))
}
