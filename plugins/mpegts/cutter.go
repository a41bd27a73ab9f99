package main

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md §4).
const (
	// reserve is kept free for CONSUME, NEED, a HEADER and the state.
	reserve = 5*mpegts.PacketSize + mpegts.MaxStateSize + 5*mpegts.PacketSize + fixedSize + 256
	// packetBytes is a PACKET of one span; patchBytes is what one patch adds to it.
	packetBytes = 128
	patchBytes  = 40
)

// cutter groups the packets of one DATA into media packets.
type cutter struct {
	s       *state
	v       *sdk.Verdicts
	patches *mpegts.Patches
	offset  uint64 // behind the last packet

	p     *sdk.Pieces // of the open media packet, nil: none is open
	k     abi.Packet
	from  uint64 // input before is in p
	start uint64 // of the open media packet
	grown int    // bytes that p takes in the outbox
}

// full reports that the outbox has no room for another packet.
func (c *cutter) full() bool {
	return c.v.Room() < reserve+packetBytes+c.grown+4*patchBytes
}

// run takes packets from the beginning of b, which lies at offset of the input, as long as
// they only go on with the open media packet. It gives how many bytes it took.
func (c *cutter) run(b []byte, offset uint64) int {
	if c.p == nil {
		return 0
	}
	d, n := &c.s.demux, 0
	for most := min(len(b), int(c.start+maxPacket-offset)); n < most && d.Plain(b[n:]); {
		n += mpegts.PacketSize
	}
	if n > 0 {
		c.s.lost = 0
		c.offset = offset + uint64(n)
	}
	return n
}

// packet takes the next packet, which lies at offset of the input.
func (c *cutter) packet(b []byte, offset uint64) {
	s := c.s
	r := s.demux.Feed(b)
	if r.Changed {
		c.flush()
		c.header()
	}
	switch {
	case !s.known: // no programme yet
		s.lose(mpegts.PacketSize)
	case s.running || r.Cut && r.HasTime: // else no frame has begun
		c.take(b, offset, r)
	}
	c.offset = offset + mpegts.PacketSize
}

func (c *cutter) take(b []byte, offset uint64, r mpegts.Result) {
	c.s.lost = 0
	switch {
	case r.Cut:
		c.flush()
		c.begin(offset, r)
	case c.p == nil || offset-c.start >= maxPacket:
		c.flush()
		c.open(offset, 0)
	}
	c.patch(b, offset)
}

// begin opens a media packet at a frame's first packet.
func (c *cutter) begin(offset uint64, r mpegts.Result) {
	s := c.s
	var flags abi.PacketFlags
	if r.HasTime && s.clock.place(r.PTS, r.DTS) {
		s.mark = true
	}
	if s.clock.isKey(r.Key) {
		flags |= abi.PacketKey
	}
	s.running = true
	c.open(offset, flags)
}

// open begins a media packet with the times of the frame that is under way.
func (c *cutter) open(offset uint64, flags abi.PacketFlags) {
	if c.s.mark {
		flags |= abi.PacketDiscontinuity
		c.s.mark = false
	}
	pid, _ := c.s.demux.Main()
	c.p = c.v.Pieces()
	c.k = abi.Packet{
		PTS: mpegts.Nanoseconds(c.s.clock.pts), DTS: mpegts.Nanoseconds(c.s.clock.dts),
		Flags: flags, Track: pid,
	}
	c.from, c.start, c.grown = offset, offset, 0
}

// patch moves the times in a packet onto the timeline.
func (c *cutter) patch(b []byte, offset uint64) {
	shift := c.s.clock.shift
	if shift == 0 {
		return
	}
	mpegts.Rebase(b, shift, c.patches)
	list := c.patches.List()
	for i := range list {
		c.mark(offset + uint64(list[i].At))
		c.p.Literal(list[i].Bytes())
		c.from += uint64(len(list[i].Bytes()))
		c.grown += patchBytes
	}
}

// mark adds the input up to the offset as a span.
func (c *cutter) mark(to uint64) {
	if to > c.from {
		c.p.Input(c.from, int(to-c.from))
		c.from = to
	}
}

// flush sends the open media packet as far as it goes.
func (c *cutter) flush() {
	if c.p == nil {
		return
	}
	c.mark(c.offset)
	c.v.Packet(c.k, c.p)
	c.p = nil
	c.grown = 0
}

// header publishes new programme tables. Tables that differ from those in force by
// their continuity counters only change nothing.
func (c *cutter) header() {
	s := c.s
	if !s.demux.Ready() {
		return
	}
	tables := s.demux.PSI()
	switch same := sameTables(s.header, tables); {
	case same && s.known:
		return
	case !same:
		s.mark = s.mark || s.known
		s.header = append(s.header[:0], tables...)
	}
	s.known = true
	p := c.v.Pieces()
	p.Literal(s.header)
	c.v.Header(p)
}

// sameTables compares packets without their continuity counters (ISO/IEC 13818-1
// 2.4.3.3: the low half of byte 3).
func sameTables(a, b []byte) bool {
	if len(a) != len(b) || len(a)%mpegts.PacketSize != 0 {
		return false
	}
	for at := 0; at < len(a); at += mpegts.PacketSize {
		x, y := a[at:at+mpegts.PacketSize], b[at:at+mpegts.PacketSize]
		if !bytes.Equal(x[:3], y[:3]) || x[3]&0xF0 != y[3]&0xF0 || !bytes.Equal(x[4:], y[4:]) {
			return false
		}
	}
	return true
}
