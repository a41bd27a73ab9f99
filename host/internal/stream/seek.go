package stream

import (
	"bytes"

	"github.com/weir-media/weir/host/internal/media"
)

// ready moves the cursor to a chunk that has the next packet. With More it gives
// the number of packets that are published there. Packets without bytes are passed
// over, unless whole packets are asked for.
func (c *Cursor) ready(whole bool) (uint32, Status) {
	for {
		k := c.chunk
		n := k.n.Load()
		if c.idx == n {
			if moved, st := c.follow(n); !moved {
				return 0, st
			}
			continue
		}
		if c.wait && (c.passLost() || !c.passToKey(n)) {
			continue
		}
		if c.off != k.start(c.idx) {
			return n, More
		}
		if k.gone.Load() {
			return 0, Overrun
		}
		if c.header != k.header {
			if !sameHeader(c.header, k.header) {
				return 0, HeaderChange
			}
			c.header = k.header
		}
		if !whole && k.recs[c.idx].end == c.off {
			c.Advance(0)
			continue
		}
		return n, More
	}
}

// follow leaves a chunk of which all n published packets are sent. When there is
// nowhere to go it says why.
func (c *Cursor) follow(n uint32) (moved bool, st Status) {
	k := c.chunk
	ended := c.log.ended.Load()
	next := k.next.Load()
	switch {
	case k.n.Load() != n:
		return true, More
	case next != nil:
		c.chunk, c.idx, c.off = next, 0, 0
		return true, More
	case c.wait && c.passLost():
		return true, More
	case k.gone.Load():
		return c.seek(k.first + uint64(n)), Overrun
	case ended:
		return false, Ended
	}
	return false, Empty
}

// passLost moves a cursor that waits for a key packet over packets that have left
// the window and tells whether there were any.
func (c *Cursor) passLost() bool {
	if !c.chunk.gone.Load() {
		return false
	}
	before, from := c.Seq(), c.position()
	c.chunk, c.idx, c.off = c.log.oldest.Load(), 0, 0
	if c.count {
		c.skipped += c.Seq() - before
		c.missed += c.position() - from
	}
	return true
}

// passToKey moves over the first n packets of the chunk up to a key packet and
// tells whether there is one.
func (c *Cursor) passToKey(n uint32) bool {
	k, i := c.chunk, c.idx
	for i < n && !k.recs[i].flags.Has(media.Key) {
		i++
	}
	if c.count {
		c.skipped += uint64(i - c.idx)
		c.missed += uint64(k.start(i) - c.off)
	}
	c.idx, c.off = i, k.start(i)
	c.wait = i == n
	return !c.wait
}

// seek moves the cursor to packet seq, or to the live end if that is before it.
// It fails, and moves nothing, when seq has left the window.
func (c *Cursor) seek(seq uint64) bool {
	k := c.log.find(seq)
	if k == nil {
		return false
	}
	i := uint32(min(seq-k.first, uint64(k.n.Load())))
	c.chunk, c.idx, c.off = k, i, k.start(i)
	return true
}

func (c *Cursor) toLive() {
	k := c.log.tail.Load()
	n := k.n.Load()
	c.chunk, c.idx, c.off = k, n, k.start(n)
}

// SkipToKey moves the cursor to the newest key packet, if that is ahead, and gives
// the number of packets left out. After Overrun with no key packet in the window
// it moves to the live end and waits for one. It does nothing inside a packet.
func (c *Cursor) SkipToKey() (skipped uint64, ok bool) {
	if !c.AtBoundary() {
		return 0, false
	}
	before, from := c.Seq(), c.position()
	for {
		key, found := c.log.LastKey()
		if !found || key <= before {
			break
		}
		if c.seek(key) {
			c.skipped += key - before
			c.missed += c.position() - from
			return key - before, true
		}
	}
	if !c.chunk.gone.Load() {
		return 0, false
	}
	c.toLive()
	c.wait, c.count = true, true
	skipped = c.Seq() - before
	c.skipped += skipped
	c.missed += c.position() - from
	return skipped, true
}

// position is the cursor's distance from the log's beginning, in bytes.
func (c *Cursor) position() uint64 { return c.chunk.base + uint64(c.off) }

// Lag tells how far the cursor is behind the newest packet: in bytes, in media
// time as Log.Length counts it (never negative) and in packets that are not wholly sent. A cursor that
// waits for a key packet has no lag.
func (c *Cursor) Lag() (bytes int, d media.Time, packets uint64) {
	if c.wait {
		return 0, 0, 0
	}
	tail := c.log.tail.Load()
	n := tail.n.Load()
	next := tail.first + uint64(n)
	if next <= c.Seq() {
		return 0, 0, 0
	}
	pos, run := c.Place()
	end := tail.base + uint64(tail.start(n))
	return int(end - min(pos, end)), max(0, tail.length(n)-run), next - c.Seq()
}

// Lost tells whether the cursor's packet has left the window. Inside a packet the
// rest of that packet can still be read.
func (c *Cursor) Lost() bool {
	return c.chunk.gone.Load() && c.Seq() < c.log.oldest.Load().first
}

// Place gives the cursor's distance from the log's beginning: in bytes, and in media
// time up to its packet, as Log.Length counts it; at the live end that is all.
func (c *Cursor) Place() (bytes uint64, run media.Time) {
	k, i := c.chunk, c.idx
	bytes = k.base + uint64(c.off)
	n := k.n.Load()
	if i == n {
		if next := k.next.Load(); next != nil && next.n.Load() > 0 {
			return bytes, next.recs[0].run
		}
		return bytes, k.length(n)
	}
	return bytes, k.recs[i].run
}

func sameHeader(a, b *media.Header) bool {
	return a != nil && b != nil && bytes.Equal(a.Bytes, b.Bytes)
}
