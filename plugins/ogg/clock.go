package main

import "encoding/binary"

// clock puts pages onto the point's timeline. Its times are in ns. A page has the time of
// its end, as its granule position has.
type clock struct {
	next  int64 // pending: where the next page should begin
	shift int64 // what is added to the times of pages
	in    int64 // end of the last page as it came in
	dts   int64 // of the last page on the timeline; never goes backwards
	key   int64 // dts of the last page that was flagged as key

	started bool // a page was placed
	pending bool // the next page opens a new stretch of input
}

const clockSize = 5 * 8

const (
	second = 1_000_000_000
	// near: a first source whose first page ends below keeps its own times. Chosen: above
	// any encoder's start-up offset and page.
	near = 10 * second
	// back and ahead: a time that jumps further opens a new stretch. Chosen: less is the
	// disorder of streams with pages of different length, or an encoder's pause.
	back  = 5 * second
	ahead = 60 * second
	// rare is how long a stream may go without a key before players are let in at any page:
	// an encoder with gradual refresh makes one in all, one that has announced pictures may
	// send none. Chosen: a point's default buffer, so that the last one has left it and
	// nobody could join.
	rare = 30 * second
)

// join says where the next page shall begin: where the last source's timeline ended.
func (c *clock) join(ns int64) { c.pending, c.next = true, ns }

// seam says that the next page begins a new stretch, right behind the last one.
func (c *clock) seam() {
	if c.started {
		c.pending, c.next = true, c.dts+1
	}
}

// place takes the times at which a page begins and ends. moved tells that times move by
// something else from here on; jumped, that the page does not follow from the last one.
func (c *clock) place(begin, end int64) (moved, jumped bool) {
	since := end - c.in
	switch {
	case c.pending || !c.started:
		c.open(begin, end)
		moved = true
	case since < -back || since > ahead:
		c.seam()
		c.open(end, end) // how long it lasts is not known
		moved, jumped = true, true
	}
	c.in = end
	c.dts = max(c.dts, end+c.shift)
	if !c.started {
		c.key = c.dts
	}
	c.started, c.pending = true, false
	return moved, jumped
}

func (c *clock) open(begin, end int64) {
	if !c.started && c.next == 0 && end < near {
		c.shift = 0
		return
	}
	c.shift = c.next - begin
}

func (c *clock) append(b []byte) []byte {
	for _, v := range [...]int64{c.next, c.shift, c.in, c.dts, c.key} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func (c *clock) read(b []byte) {
	for i, p := range [...]*int64{&c.next, &c.shift, &c.in, &c.dts, &c.key} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}
