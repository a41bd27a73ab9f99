package abi

import (
	"encoding/binary"
	"math"
)

// coder walks a record's fields once, in the order of the specification, and either
// writes or reads them. One visit method per record serves both ways, so that they
// cannot disagree.
type coder struct {
	buf     []byte // destination (up to its length) or source
	pos     int
	reading bool
	failed  bool // reading: a field is cut short; writing: the buffer is full
}

// room gives the next n bytes of the buffer, or nil. A reader that stands exactly at
// the end of a record takes the missing tail as zero (spec.md §4).
func (c *coder) room(n int) []byte {
	if c.failed || (c.reading && c.pos == len(c.buf)) {
		return nil
	}
	if n > len(c.buf)-c.pos {
		c.failed = true
		return nil
	}
	b := c.buf[c.pos : c.pos+n : c.pos+n]
	c.pos += n
	return b
}

func (c *coder) u16(v *uint16) {
	b := c.room(2)
	switch {
	case b == nil:
		c.clear16(v)
	case c.reading:
		*v = binary.LittleEndian.Uint16(b)
	default:
		binary.LittleEndian.PutUint16(b, *v)
	}
}

func (c *coder) clear16(v *uint16) {
	if c.reading {
		*v = 0
	}
}

func (c *coder) u32(v *uint32) {
	b := c.room(4)
	switch {
	case b == nil:
		if c.reading {
			*v = 0
		}
	case c.reading:
		*v = binary.LittleEndian.Uint32(b)
	default:
		binary.LittleEndian.PutUint32(b, *v)
	}
}

func (c *coder) u64(v *uint64) {
	b := c.room(8)
	switch {
	case b == nil:
		if c.reading {
			*v = 0
		}
	case c.reading:
		*v = binary.LittleEndian.Uint64(b)
	default:
		binary.LittleEndian.PutUint64(b, *v)
	}
}

func (c *coder) i32(v *int32) { u := uint32(*v); c.u32(&u); *v = int32(u) }
func (c *coder) i64(v *int64) { u := uint64(*v); c.u64(&u); *v = int64(u) }

// bytes is u32 length, then the bytes. A read field is a view of the frame.
func (c *coder) bytes(v *[]byte) {
	if !c.reading {
		if uint64(len(*v)) > math.MaxUint32 {
			c.failed = true
			return
		}
		n := uint32(len(*v))
		c.u32(&n)
		copy(c.room(len(*v)), *v)
		return
	}
	var n uint32
	c.u32(&n)
	*v = nil
	if n == 0 || c.failed {
		return
	}
	if uint64(n) > uint64(len(c.buf)-c.pos) {
		c.failed = true
		return
	}
	*v = c.room(int(n))
}

func (c *coder) entropy(v *[16]byte) {
	b := c.room(len(v))
	switch {
	case b == nil:
		if c.reading {
			*v = [16]byte{}
		}
	case c.reading:
		copy(v[:], b)
	default:
		copy(b, v[:])
	}
}

// group is what open must remember until close: the whole source while reading, the
// place of the length while writing.
type group struct {
	whole []byte
	at    int
}

// open begins a group: u32 length, then fields that later minors may add to, since a
// reader skips the group's unknown tail (spec.md §4).
func (c *coder) open() group {
	g := group{whole: c.buf, at: c.pos}
	var n uint32
	c.u32(&n)
	if c.reading && !c.failed {
		if uint64(n) > uint64(len(c.buf)-c.pos) {
			c.failed = true
		} else {
			c.buf = c.buf[:c.pos+int(n)]
		}
	}
	return g
}

func (c *coder) close(g group) {
	switch {
	case c.reading:
		if !c.failed {
			c.pos = len(c.buf)
		}
		c.buf = g.whole
	case !c.failed:
		binary.LittleEndian.PutUint32(c.buf[g.at:], uint32(c.pos-g.at-4))
	}
}
