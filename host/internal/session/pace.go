package session

import (
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// ahead is how far a paced source may be read ahead of its packets' times
// (spec.md §6, PUBLISH).
const paceAhead = media.Time(time.Second)

// maxJump is the largest step between two packets that is waited for; a greater one,
// or one backwards, is a new beginning (chosen).
const maxJump = media.Time(10 * time.Second)

// pacer holds a file's packets back until their times. It belongs to the worker.
type pacer struct {
	s       *Session
	queue   []paced
	started bool
	headed  bool       // a header was queued
	base    time.Time  // when the packet with time zero is due
	zero    media.Time // its DTS
	last    media.Time
	armed   bool
}

type paced struct {
	packet media.Packet
	bytes  []byte
	header bool // bytes are a header
	due    time.Time
}

// ahead reports whether enough packets wait, so that nothing need be read.
func (p *pacer) ahead() bool {
	if len(p.queue) == 0 {
		return false
	}
	return p.queue[len(p.queue)-1].due.Sub(p.s.r.room.now()) > time.Duration(paceAhead)
}

// add queues a packet for its time. Times count from the first packet, not from the
// one before, so that nothing drifts.
func (p *pacer) add(k media.Packet, b []byte) {
	now := p.s.r.room.now()
	if step := k.DTS - p.last; !p.started || step < 0 || step > maxJump {
		p.started, p.zero, p.base = true, k.DTS, now
		if n := len(p.queue); n > 0 {
			p.base = p.queue[n-1].due
		}
	}
	p.last = k.DTS
	p.queue = append(p.queue, paced{packet: k, bytes: b, due: p.base.Add((k.DTS - p.zero).Duration())})
	p.release(now)
}

func (p *pacer) header(h []byte) {
	now := p.s.r.room.now()
	due := now
	if n := len(p.queue); n > 0 {
		due = p.queue[n-1].due
	}
	p.headed = true
	p.queue = append(p.queue, paced{bytes: h, header: true, due: due})
	p.release(now)
}

// release appends what is due and sets a timer for the rest.
func (p *pacer) release(now time.Time) {
	i := 0
	for ; i < len(p.queue) && (p.queue[i].header || !p.queue[i].due.After(now)); i++ {
		q := &p.queue[i]
		if q.header {
			p.s.links.feed.SetHeader(q.bytes)
		} else {
			p.s.links.feed.Append(q.packet, q.bytes)
		}
		*q = paced{}
	}
	p.queue = p.queue[i:]
	if len(p.queue) == 0 || p.armed {
		return
	}
	p.armed = true
	p.s.w.timers.add(p.queue[0].due, p.tick)
}

func (p *pacer) tick() {
	p.armed = false
	if p.s.inbox.over.Load() {
		return
	}
	p.release(p.s.r.room.now())
	p.s.markReady()
}
