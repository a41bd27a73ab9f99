package stream

import (
	"math"
	"sort"

	"github.com/weir-media/weir/host/internal/media"
)

// Status says what a cursor found.
type Status uint8

const (
	// More: there are bytes, or there is a packet.
	More Status = iota
	// Empty: the reader has all that is published.
	Empty
	// HeaderChange: the next packet has another header; TakeHeader goes on.
	HeaderChange
	// Overrun: the next packet has left the window; SkipToKey goes on.
	Overrun
	// Ended: the reader has all there will be.
	Ended
	// Early: the next packet is past the length that BatchTo was given.
	Early
)

// String names the status in lower case.
func (s Status) String() string {
	return [...]string{"more", "empty", "header_change", "overrun", "ended", "early"}[min(s, Early)]
}

// Cursor is one reader's place in a log, exact to the byte. It belongs to one
// goroutine at a time and comes from Log.Cursor; the zero value is of no use. It
// keeps at most one chunk alive that the log has let go of.
type Cursor struct {
	log     *Log
	chunk   *chunk
	header  *media.Header
	idx     uint32 // packet of chunk that is not wholly sent
	off     uint32 // next byte of chunk.data
	wait    bool   // packets are passed over until a key packet comes
	count   bool   // packets passed over are counted as skipped
	sent    uint64
	skipped uint64
	missed  uint64 // bytes of skipped packets, not taken yet
}

// Header gives the header in force at the cursor, nil if there is none.
func (c *Cursor) Header() *media.Header { return c.header }

// TakeHeader makes the next packet's header the one in force and gives it. Called
// after HeaderChange; at other times it gives the header in force.
func (c *Cursor) TakeHeader() *media.Header {
	if c.AtBoundary() {
		c.header = c.chunk.header
	}
	return c.header
}

// AtBoundary tells whether no packet is partly sent.
func (c *Cursor) AtBoundary() bool { return c.off == c.chunk.start(c.idx) }

// Seq gives the sequence number of the first packet that is not wholly sent.
func (c *Cursor) Seq() uint64 { return c.chunk.first + uint64(c.idx) }

// Sent gives the number of packets sent whole, or read by Next.
func (c *Cursor) Sent() uint64 { return c.sent }

// Skipped gives the number of packets left out by SkipToKey, and by waiting for
// the key packet after it.
func (c *Cursor) Skipped() uint64 { return c.skipped }

// TakeCounts gives what Sent and Skipped counted since it was called last, and has them
// begin again.
func (c *Cursor) TakeCounts() (sent, skipped uint64) {
	sent, skipped = c.sent, c.skipped
	c.sent, c.skipped = 0, 0
	return sent, skipped
}

// TakeSkippedBytes gives the bytes of the packets that Skipped counts, those that it has
// not given before.
func (c *Cursor) TakeSkippedBytes() uint64 {
	n := c.missed
	c.missed = 0
	return n
}

// Mark is a place in a log and the header in force there. Its zero value is no place. It
// keeps a chunk alive.
type Mark struct {
	chunk    *chunk
	header   *media.Header
	idx, off uint32
}

// Mark gives the cursor's place; none while the cursor waits for a key packet.
func (c *Cursor) Mark() Mark {
	if c.wait {
		return Mark{}
	}
	return Mark{chunk: c.chunk, header: c.header, idx: c.idx, off: c.off}
}

// IsAt tells whether what is next for the cursor is what was next for the one that gave
// the mark.
func (c *Cursor) IsAt(m *Mark) bool {
	return c.off == m.off && c.idx == m.idx && c.chunk == m.chunk && c.header == m.header && !c.wait
}

// MoveTo takes the cursor from a place to another, which another cursor has reached from
// there by sending so many packets.
func (c *Cursor) MoveTo(m *Mark, packets uint64) {
	c.chunk, c.header, c.idx, c.off = m.chunk, m.header, m.idx, m.off
	c.sent += packets
}

// Batch gives contiguous bytes that are not sent yet: the rest of a partly sent
// packet and whole packets after it, no more than limit bytes unless the first of
// them alone is larger. The bytes must not be written to and stay valid while they
// are referenced. Batch does not move the cursor; Advance does.
func (c *Cursor) Batch(limit int) ([]byte, Status) { return c.BatchTo(limit, endless) }

// BatchTo is Batch, but gives no packets past a length of the log, as Log.Length counts
// it; the rest of a partly sent packet it gives all the same.
func (c *Cursor) BatchTo(limit int, length media.Time) ([]byte, Status) {
	n, st := c.ready(false)
	if st != More {
		return nil, st
	}
	recs := c.chunk.recs
	last := n - 1
	if recs[last].run > length {
		if last = c.within(n, length); last == n {
			return nil, Early
		}
	}
	if c.chunk.gone.Load() {
		last = c.idx
	} else if end := uint64(c.off) + uint64(limit); uint64(recs[last].end) > end {
		span := int(last + 1 - c.idx)
		over := sort.Search(span, func(i int) bool { return uint64(recs[c.idx+uint32(i)].end) > end })
		last = c.idx
		if over > 0 {
			last += uint32(over) - 1
		}
	}
	return c.chunk.data[c.off:recs[last].end:recs[last].end], More
}

// endless is a length that no log has.
const endless = media.Time(math.MaxInt64)

// within gives the last packet to be sent, of the chunk's first n, that is not past the
// length; n if even the next one is.
func (c *Cursor) within(n uint32, length media.Time) uint32 {
	recs := c.chunk.recs[c.idx:n]
	over := sort.Search(len(recs), func(i int) bool { return recs[i].run > length })
	if over == 0 {
		if c.AtBoundary() {
			return n
		}
		over = 1
	}
	return c.idx + uint32(over) - 1
}

// Advance says that the first n bytes of the last Batch were sent. It may end
// inside a packet.
func (c *Cursor) Advance(n int) {
	c.off += uint32(n)
	published := c.chunk.n.Load()
	i := c.idx
	for i < published && c.chunk.recs[i].end <= c.off {
		i++
	}
	c.sent += uint64(i - c.idx)
	c.idx = i
}

// Next gives the next packet whole and moves past it. Its bytes must not be
// written to and stay valid while they are referenced.
func (c *Cursor) Next() (media.Packet, Status) {
	if _, st := c.ready(true); st != More {
		return media.Packet{}, st
	}
	r := &c.chunk.recs[c.idx]
	p := media.Packet{
		Seq: c.Seq(), PTS: r.pts, DTS: r.dts, Flags: r.flags, Track: r.track, Tag: r.tag,
		Bytes: c.chunk.data[c.chunk.start(c.idx):r.end:r.end],
	}
	c.off = r.end
	c.idx++
	c.sent++
	return p, More
}
