package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/sdk/asf"
)

// clock puts packets onto the point's timeline. Its times are in ms there, wide enough
// never to wrap; the send times in the packets have 32 bits (ASF 5.2.2) and do.
type clock struct {
	next  int64 // pending: where the next packet should stand
	shift int64 // what is added to the times in a packet
	at    int64 // of the last packet
	last  int64 // likewise, but never going backwards
	gap   int64 // the last distance between two packets
	end   int64 // latest presentation time, with its preroll
	step  int64 // the last growth of end
	send  uint32

	started bool // a packet was placed
	pending bool // the next packet opens a new stretch of input
}

const clockSize = 7*8 + 4

const (
	// nearMs: a first source whose first send time is below keeps its own times, so
	// that its packets need no patches. Chosen: above any encoder's start-up offset.
	nearMs = 10_000
	// backMs and aheadMs: a send time that jumps further is a new timeline, less is
	// disorder of the encoder's queues, or its pause. Chosen.
	backMs  = 5_000
	aheadMs = 60_000
	// maxStepMs bounds the distance between two frames that is carried over a seam.
	// Chosen: one frame a second.
	maxStepMs = 1_000
)

// join says where the next packet shall stand: where the last source's timeline ended.
func (c *clock) join(ns int64) {
	c.pending, c.next = true, (ns+nsPerMs-1)/nsPerMs
}

// seam says that the next packet begins a new stretch, right behind the last one.
func (c *clock) seam() {
	if c.started {
		c.pending, c.next = true, c.last+max(c.gap, 1)
	}
}

// place gives the packet's time. jumped tells that the packet's own times do not
// follow from the last packet's, though no seam was announced.
func (c *clock) place(p *asf.Packet) (ms int64, jumped bool) {
	since := int64(int32(p.SendTime - c.send))
	switch {
	case c.pending || !c.started:
		c.open(p)
	case since < -backMs || since > aheadMs:
		c.seam()
		c.open(p)
		jumped = true
	default:
		c.at += since
		if since > 0 {
			c.gap = min(since, maxStepMs)
		}
	}
	c.send = p.SendTime
	c.last = max(c.last, c.at)
	c.started, c.pending = true, false
	c.follow(p)
	return c.last, jumped
}

// open places the first packet of a stretch: not before next, and so that its first
// presentation time does not fall behind the last one that was sent.
func (c *clock) open(p *asf.Packet) {
	send := int64(p.SendTime)
	switch t, ok := p.FirstTime(asf.StreamSet{}); {
	case !c.started && c.next == 0 && send < nearMs:
		c.at = send
	case c.started && ok:
		lead := int64(int32(t - p.SendTime))
		c.at = max(c.next, c.end+max(c.step, 1)-lead)
	default:
		c.at = c.next
	}
	c.shift = c.at - send
}

// follow keeps the latest presentation time.
func (c *clock) follow(p *asf.Packet) {
	for i := range p.List() {
		if l := &p.Payloads[i]; l.HasTime {
			t := c.at + int64(int32(l.Time-p.SendTime))
			if t > c.end {
				c.step, c.end = min(t-c.end, maxStepMs), t
			}
		}
	}
}

func (c *clock) append(b []byte) []byte {
	for _, v := range [...]int64{c.next, c.shift, c.at, c.last, c.gap, c.end, c.step} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return binary.LittleEndian.AppendUint32(b, c.send)
}

func (c *clock) read(b []byte) {
	for i, p := range [...]*int64{&c.next, &c.shift, &c.at, &c.last, &c.gap, &c.end, &c.step} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	c.send = binary.LittleEndian.Uint32(b[56:])
}
