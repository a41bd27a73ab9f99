package abi

import (
	"encoding/binary"
	"math"
)

// coder walks a record's fields once, in the order of the specification, and either
// writes or reads them. One visit method per record serves both ways, so that they
// cannot disagree. A guest pays for each call, so that a field is one call and no more
// while it fits; a coder that has failed stands at the end of an empty buffer.
type coder struct {
	buf     []byte // destination (up to its length) or source
	pos     int
	reading bool
	failed  bool // reading: a field is cut short; writing: the buffer is full
}

// fail ends the walk.
func (c *coder) fail() { c.buf, c.pos, c.failed = nil, 0, true }

// lack is for a field that does not fit. A reader that stands exactly at the end of a
// record takes the missing tail as zero (spec.md §4).
func (c *coder) lack() {
	if !c.reading || c.pos != len(c.buf) {
		c.fail()
	}
}

func (c *coder) u16(v *uint16) {
	b, end := c.buf, c.pos+2
	if end > len(b) {
		c.lack()
		if c.reading {
			*v = 0
		}
		return
	}
	if c.reading {
		*v = binary.LittleEndian.Uint16(b[c.pos:end])
	} else {
		binary.LittleEndian.PutUint16(b[c.pos:end], *v)
	}
	c.pos = end
}

func (c *coder) u32(v *uint32) {
	b, end := c.buf, c.pos+4
	if end > len(b) {
		c.lack()
		if c.reading {
			*v = 0
		}
		return
	}
	if c.reading {
		*v = binary.LittleEndian.Uint32(b[c.pos:end])
	} else {
		binary.LittleEndian.PutUint32(b[c.pos:end], *v)
	}
	c.pos = end
}

func (c *coder) u64(v *uint64) {
	b, end := c.buf, c.pos+8
	if end > len(b) {
		c.lack()
		if c.reading {
			*v = 0
		}
		return
	}
	if c.reading {
		*v = binary.LittleEndian.Uint64(b[c.pos:end])
	} else {
		binary.LittleEndian.PutUint64(b[c.pos:end], *v)
	}
	c.pos = end
}

func (c *coder) i32(v *int32) { u := uint32(*v); c.u32(&u); *v = int32(u) }
func (c *coder) i64(v *int64) { u := uint64(*v); c.u64(&u); *v = int64(u) }

// bytes is u32 length, then the bytes. A read field is a view of the frame.
func (c *coder) bytes(v *[]byte) {
	if !c.reading {
		c.put(*v)
		return
	}
	b, at := c.buf, c.pos+4
	if at > len(b) {
		c.lack()
		*v = nil
		return
	}
	n := uint64(binary.LittleEndian.Uint32(b[c.pos:at]))
	switch {
	case n == 0:
		*v, c.pos = nil, at
	case n > uint64(len(b)-at):
		*v = nil
		c.fail()
	default:
		end := at + int(n)
		*v, c.pos = b[at:end:end], end
	}
}

func (c *coder) put(v []byte) {
	at := c.pos + 4
	if uint64(len(v)) > math.MaxUint32 || at > len(c.buf) || len(v) > len(c.buf)-at {
		c.fail()
		return
	}
	binary.LittleEndian.PutUint32(c.buf[c.pos:at], uint32(len(v)))
	c.pos = at + copy(c.buf[at:], v)
}

func (c *coder) entropy(v *[16]byte) {
	end := c.pos + len(v)
	if end > len(c.buf) {
		c.lack()
		if c.reading {
			*v = [16]byte{}
		}
		return
	}
	if c.reading {
		*v = [16]byte(c.buf[c.pos:end])
	} else {
		*(*[16]byte)(c.buf[c.pos:end]) = *v
	}
	c.pos = end
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
	at := c.pos + 4
	if at > len(c.buf) {
		c.lack()
		return g
	}
	if !c.reading {
		c.pos = at
		return g
	}
	n := uint64(binary.LittleEndian.Uint32(c.buf[c.pos:at]))
	if n > uint64(len(c.buf)-at) {
		c.fail()
		return g
	}
	c.buf, c.pos = c.buf[:at+int(n)], at
	return g
}

func (c *coder) close(g group) {
	switch {
	case c.failed:
	case c.reading:
		c.pos, c.buf = len(c.buf), g.whole
	default:
		binary.LittleEndian.PutUint32(c.buf[g.at:], uint32(c.pos-g.at-4))
	}
}
