package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// convoy is what the last viewer was sent in one call until it had all there was. Most of
// a feed's viewers are at the same place: what is next for one is next for all, and what
// became of its cursor is found once. The zero value is none.
type convoy struct {
	from, start, to stream.Mark // before; where the bytes begin; after
	bytes           []byte
	packets         uint64
	rules           *rules
	passed          uint64 // packets without bytes, between from and start
	leads           bool   // a round is under way, in which others follow
}

// lead notes what a viewer was sent, for those at the same place.
func (w *worker) lead(v *Viewer, c convoy, before uint64) {
	if !w.convoy.leads || c.from == (stream.Mark{}) || v.cursor.Skipped() > 0 { // which each counts for itself
		return
	}
	c.to, c.packets, c.rules, c.leads = v.cursor.Mark(), v.cursor.Sent()-before, v.rules, true
	w.convoy = c
}

// follow sends a viewer what the one before it was sent, if it stands where that stood and
// nothing else is asked of it.
func (w *worker) follow(v *Viewer, now time.Duration) bool {
	if v.udp != nil {
		return w.followUDP(v, now)
	}
	c, s := &w.convoy, &v.state
	if c.bytes == nil || !v.cursor.IsAt(&c.from) || v.rules != c.rules || v.out != nil ||
		s.burst != noBurst || s.leave != None || s.next != nil || s.held || s.ended {
		return false
	}
	n, r := send(int(v.fd), c.bytes)
	end := v.after(r)
	switch {
	case end != goOn:
		w.settle(v, end, now)
		return true
	case n < len(c.bytes):
		v.cursor.MoveTo(&c.start, c.passed)
		v.cursor.Advance(n)
		end = blocked
	default:
		v.cursor.MoveTo(&c.to, c.packets)
		v.state.grace = 0
		end = caughtUp
	}
	v.count.bytes.Add(uint64(n))
	v.count.sends.Add(1)
	v.feed.sum.bytes += uint64(n)
	v.feed.sum.sends++
	w.settle(v, end, now)
	return true
}
