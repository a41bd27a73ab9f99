package deliver

import (
	"math"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

const (
	// runBytes is the longest run of datagrams in one message. Chosen: what the kernel
	// takes at once is one datagram's length in all, and 64 of them (udp(7)).
	runBytes     = maxDatagram
	runDatagrams = 64
	// restRounds is for how many times the viewer's latency a part of a datagram waits for
	// the rest of it. Chosen: the round after next.
	restRounds = 2
)

// serveUDP gathers what a UDP viewer can be sent; the turn's end sends it. It may take
// the viewer out.
func (w *worker) serveUDP(v *Viewer, now time.Duration) {
	d := v.udp
	if until := d.failing.until; until != 0 {
		if now < until {
			v.feed.setAside(v)
			w.udp.later(v, until)
			return
		}
		w.retry(v, now)
	}
	v.isWell(now)
	stream := v.feed.meter.of(v.feed.log, now)
	rate := int(d.burst * float64(stream))
	d.bucket.size = bucketFor(stream)
	d.bucket.fill(now, rate)
	c, before := &w.udp.convoy, v.cursor.Sent()
	c.begin(v, w.convoy.leads)
	end := w.gather(v, now)
	if end == caughtUp {
		c.end(v, rate, before)
	}
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
		w.udp.later(v, now+d.bucket.wait(rate))
	case blocked:
		v.feed.enter(v)
		w.udp.later(v, now+fullPause)
	case onHold:
		w.rest(v)
	}
}

// gather makes messages of what a viewer has to be sent, as far as its bucket and its
// socket allow.
func (w *worker) gather(v *Viewer, now time.Duration) outcome {
	d := v.udp
	for {
		if !w.udp.takes(d.socket, 1, now) {
			return blocked
		}
		if d.bucket.tokens <= 0 {
			return shareOut
		}
		if len(d.first) > 0 && v.cursor.AtBoundary() {
			m := d.first[0]
			w.udp.convoy.spoil()
			w.put(v, m.b, d.cut(), now)
			d.first = d.first[1:]
			v.owes.Add(-int32(m.owed))
			continue
		}
		b, packets, end := v.nextUDP(now)
		if end != goOn {
			return end
		}
		if !packets {
			w.udp.convoy.spoil()
			w.put(v, b, d.cut(), now)
			v.wrote(len(b))
			continue
		}
		var n int
		size := d.segment
		if size > 0 {
			n = w.cut(v, b, now)
		} else {
			n, size = d.packet(v, b)
		}
		if n == 0 {
			v.state.grace = 0
			return caughtUp
		}
		w.put(v, b[:n], size, now)
		w.udp.convoy.add(b[:n], size)
		v.cursor.Advance(n)
	}
}

// nextUDP is next for datagrams: a viewer that is too late is at a packet's end soon.
func (v *Viewer) nextUDP(now time.Duration) (b []byte, packets bool, end outcome) {
	limit := math.MaxInt32
	if !v.cursor.AtBoundary() && (len(v.udp.first) > 0 || v.tooLate()) {
		limit = 1
	}
	return v.next(limit, 0)
}

// cut is the length of datagrams that do not come from packets.
func (d *datagrams) cut() int {
	if d.segment > 0 {
		return d.segment
	}
	return maxDatagram
}

// allowed is how many bytes one message may have, at least one datagram of the size
// given.
func (d *datagrams) allowed(size int) int {
	n := min(runBytes, max(d.bucket.tokens, size))
	return min(n/size, runDatagrams) * size
}

// cut tells how many of the bytes b, which are all that follows in one piece, are sent
// now: whole datagrams, and at last a part of one where nothing can complete it.
func (w *worker) cut(v *Viewer, b []byte, now time.Duration) int {
	d := v.udp
	n := d.allowed(d.segment)
	if n < len(b) {
		return n
	}
	tail := len(b) % d.segment
	if tail == 0 {
		return len(b)
	}
	at, _ := v.cursor.Place()
	end := at + uint64(len(b))
	if v.wantsBoundary() || v.feed.log.Written() > end || v.feed.log.Ended() {
		return len(b)
	}
	wait := restRounds * v.rules.latency
	switch {
	case d.rest != end-uint64(tail):
		d.rest, d.restAt = end-uint64(tail), now
	case now-d.restAt >= wait:
		d.rest = 0
		return len(b)
	}
	v.feed.rests = true
	return len(b) - tail
}

// restDue is when parts of datagrams are sent that no round has completed.
func (f *feed) restDue() time.Duration { return f.walk.began + restRounds*f.latency + tick }

// wantsBoundary tells whether something is to happen where a packet ends.
func (v *Viewer) wantsBoundary() bool {
	s := &v.state
	return len(v.udp.first) > 0 || v.out.pending() || s.leave != None || s.next != nil || s.held
}

// packet gives a run of the packets that b begins with, of one size each but the last,
// which may be shorter.
func (d *datagrams) packet(v *Viewer, b []byte) (n, size int) {
	c := v.cursor
	for n < len(b) {
		p, st := c.Next()
		if st != stream.More {
			break
		}
		next := len(p.Bytes)
		if size == 0 {
			size = next
		}
		if n > 0 && (next > size || n+next > d.allowed(size)) {
			break
		}
		n += next
		if next < size {
			break
		}
	}
	return n, size
}

// put adds a message of datagrams of size bytes each, but the last, to the socket's
// batch: one that is cut later, or one for each where that is refused.
func (w *worker) put(v *Viewer, b []byte, size int, now time.Duration) {
	d := v.udp
	count := (len(b) + size - 1) / size
	d.bucket.tokens -= max(len(b), count*leastCharge)
	if size > maxDatagram {
		w.udp.drop(v, DropTooBig, 1)
		return
	}
	step := len(b)
	if d.plain || d.socket.plain {
		step = size
	}
	for rest := b; len(rest) > 0; {
		n := min(step, len(rest))
		w.udp.add(v, rest[:n], size, now)
		rest = rest[n:]
	}
}

// takes tells whether the socket's batch takes n messages, once it is sent if need be.
func (u *udpWorker) takes(s *udpSocket, n int, now time.Duration) bool {
	return !s.full && (s.room() >= n || u.send(s, now))
}

// add puts one message into the socket's batch.
func (u *udpWorker) add(v *Viewer, b []byte, size int, now time.Duration) {
	s, count := v.udp.socket, (len(b)+size-1)/size
	if !u.takes(s, 1, now) {
		u.drop(v, DropNoBuffer, count)
		return
	}
	s.add(v, b, size)
	v.udp.count(v, len(b), count)
	u.mark(s)
}
