package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/sdk/mpegts"
)

// clock puts media packets onto the point's timeline. All times are ticks of 90 kHz.
// The times inside the packets are moved by shift, so that they are those of the
// timeline, modulo their 33 bits.
type clock struct {
	next  int64 // pending: where the next media packet should stand
	shift int64 // what is added to the times in a packet
	in    int64 // decoding time of the last media packet as it came in
	dts   int64 // of the last media packet on the timeline; never goes backwards
	pts   int64 // likewise; it does go backwards
	gap   int64 // the last distance between two media packets
	key   int64 // of the last media packet that was flagged as key

	started bool // a media packet was placed
	pending bool // the next media packet opens a new stretch of input
	keyed   bool // a random access point has come
}

const clockSize = 7 * 8

const second = mpegts.TicksPerSecond

const (
	// near: a first source whose first time is below keeps its own times, so that its
	// packets need no patches. Chosen: above any encoder's start-up offset.
	near = 10 * second
	// lead is where a first source is put whose times are far from 0: the clock
	// reference in the packets runs ahead and must not fall below 0. ffmpeg's muxer
	// starts there too.
	lead = 14 * second / 10
	// back and ahead: a time that jumps further opens a new stretch. Chosen: less is
	// disorder, or an encoder's pause.
	back  = 5 * second
	ahead = 60 * second
	// maxGap bounds the distance that is carried over a seam. Chosen: one frame a second.
	maxGap = second
	// keyless is how long a programme that has shown no random access point may go
	// before players are let in at any frame: encoders with gradual refresh set none.
	// Chosen.
	keyless = 10 * second
	// rare is the same for one that has shown some. Chosen: a point's default buffer, so
	// that the last one has left it and nobody could join.
	rare = 30 * second
)

// join says where the next packet shall stand: where the last source's timeline ended.
func (c *clock) join(ns int64) {
	c.pending, c.next = true, (ns*9+99_999)/100_000
}

// seam says that the next packet begins a new stretch, right behind the last one.
func (c *clock) seam() {
	if c.started {
		c.pending, c.next = true, c.dts+max(c.gap, 1)
	}
}

// place takes the times of a media packet. jumped tells that they do not follow from
// the last one's, though no seam was announced.
func (c *clock) place(pts, dts int64) (jumped bool) {
	since := dts - c.in
	switch {
	case c.pending || !c.started:
		c.open(dts)
	case since < -back || since > ahead:
		c.seam()
		c.open(dts)
		jumped = true
	case since > 0:
		c.gap = min(since, maxGap)
	}
	c.in = dts
	c.dts = max(c.dts, dts+c.shift)
	c.pts = pts + c.shift
	if !c.started {
		c.key = c.dts
	}
	c.started, c.pending = true, false
	return jumped
}

func (c *clock) open(dts int64) {
	switch first := !c.started && c.next == 0; {
	case first && dts >= 0 && dts < near:
		c.shift = 0
	case first:
		c.shift = lead - dts
	default:
		c.shift = c.next - dts
	}
}

// isKey decides whether players may begin at the media packet that was just placed.
func (c *clock) isKey(random bool) bool {
	limit := int64(keyless)
	if c.keyed {
		limit = rare
	}
	if !random && c.dts-c.key < limit {
		return false
	}
	c.key, c.keyed = c.dts, c.keyed || random
	return true
}

func (c *clock) append(b []byte) []byte {
	for _, v := range [...]int64{c.next, c.shift, c.in, c.dts, c.pts, c.gap, c.key} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func (c *clock) read(b []byte) {
	for i, p := range [...]*int64{&c.next, &c.shift, &c.in, &c.dts, &c.pts, &c.gap, &c.key} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}
