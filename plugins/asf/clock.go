package main

import (
	"encoding/binary"
	"math"

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
	head  int64 // of the first packet of this stretch
	send  uint32

	tracks [maxTracks]track

	started bool // a packet was placed
	pending bool // the next packet opens a new stretch of input
	again   bool // that stretch is the last one over again
}

// track is what is known of one stream's presentation times, preroll included. All of
// them count from where the point's timeline does, but for lead.
type track struct {
	stream uint8 // 0: unused
	lead   int64 // of the first time in this stretch, to the first packet's
	end    int64 // the latest time
	step   int64 // the last growth of end
}

const (
	// maxTracks is how many streams are followed. Chosen: more than players offer.
	maxTracks = 8
	trackSize = 1 + 3*8
	clockSize = 6*8 + 4 + maxTracks*trackSize
)

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
		c.pending, c.next = true, c.last+1
	}
}

// loop says that the next packet is the first of this stretch over again.
func (c *clock) loop() {
	c.seam()
	c.again = c.pending
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
	c.started, c.pending, c.again = true, false, false
	c.follow(p)
	return c.last, jumped
}

// open places the first packet of a stretch: not before next, and so that its first
// presentation time does not fall behind the last one that was sent.
func (c *clock) open(p *asf.Packet) {
	send := int64(p.SendTime)
	switch {
	case !c.started && c.next == 0 && send < nearMs:
		c.at = send
	case c.again:
		c.at = c.next
		for i := range c.tracks {
			if t := &c.tracks[i]; t.stream != 0 && t.lead != noLead {
				c.at = max(c.at, c.beyond(t)-t.lead)
			}
		}
	default:
		c.at = c.next
		for i := range p.List() {
			if l := &p.Payloads[i]; l.HasTime {
				c.at = max(c.at, c.after(l.Stream)-int64(int32(l.Time-p.SendTime)))
			}
		}
	}
	c.shift, c.head = c.at-send, c.at
	for i := range c.tracks {
		c.tracks[i].lead = noLead
	}
}

// noLead stands in a track of which this stretch has shown nothing yet.
const noLead = math.MinInt64 / 2

// after is the earliest time at which a stream may go on.
func (c *clock) after(stream uint8) int64 {
	for i := range c.tracks {
		if t := &c.tracks[i]; t.stream == stream {
			return c.beyond(t)
		}
	}
	return 0
}

// beyond is where the track's next time belongs: one step further, or, of a stream
// that has shown only one time, one packet.
func (c *clock) beyond(t *track) int64 {
	if t.step > 0 {
		return t.end + t.step
	}
	return t.end + max(c.gap, 1)
}

// follow keeps each stream's latest presentation time.
func (c *clock) follow(p *asf.Packet) {
	for i := range p.List() {
		l := &p.Payloads[i]
		if !l.HasTime {
			continue
		}
		t := c.track(l.Stream)
		if t == nil {
			continue
		}
		at := c.at + int64(int32(l.Time-p.SendTime))
		if t.lead == noLead {
			t.lead = at - c.head
		}
		if at > t.end {
			if t.end != 0 {
				t.step = min(at-t.end, maxStepMs)
			}
			t.end = at
		}
	}
}

// track finds a stream's track, or takes a free one; nil if there is none.
func (c *clock) track(stream uint8) *track {
	for i := range c.tracks {
		t := &c.tracks[i]
		if t.stream == 0 {
			*t = track{stream: stream, lead: noLead}
		}
		if t.stream == stream {
			return t
		}
	}
	return nil
}

func (c *clock) append(b []byte) []byte {
	for _, v := range [...]int64{c.next, c.shift, c.at, c.last, c.gap, c.head} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	b = binary.LittleEndian.AppendUint32(b, c.send)
	for i := range c.tracks {
		t := &c.tracks[i]
		b = append(b, t.stream)
		for _, v := range [...]int64{t.lead, t.end, t.step} {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
	}
	return b
}

func (c *clock) read(b []byte) {
	for i, p := range [...]*int64{&c.next, &c.shift, &c.at, &c.last, &c.gap, &c.head} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	c.send = binary.LittleEndian.Uint32(b[48:])
	for i := range c.tracks {
		t, from := &c.tracks[i], b[52+i*trackSize:]
		t.stream = from[0]
		t.lead = int64(binary.LittleEndian.Uint64(from[1:]))
		t.end = int64(binary.LittleEndian.Uint64(from[9:]))
		t.step = int64(binary.LittleEndian.Uint64(from[17:]))
	}
}
