package main

import "encoding/binary"

// clock puts blocks onto the point's timeline. Its times are in ns but for shift, since
// the times in blocks stay as they are and only those of clusters move.
type clock struct {
	next  int64 // pending: where the next cluster should stand
	shift int64 // ticks that are added to the times of clusters
	in    int64 // time of the last block as it came in
	dts   int64 // of the last block on the timeline; never goes backwards
	gap   int64 // the last distance between two blocks
	key   int64 // dts of the last block that was flagged as key

	started bool // a block was placed
	pending bool // the next block opens a new stretch of input
}

const clockSize = 6 * 8

const (
	second = 1_000_000_000
	// near: a first source whose first cluster is below keeps its own times. Chosen: above
	// any encoder's start-up offset.
	near = 10 * second
	// back and ahead: a time that jumps further opens a new stretch. Chosen: less is
	// disorder, or an encoder's pause.
	back  = 5 * second
	ahead = 60 * second
	// maxGap bounds the distance that is carried over a seam. Chosen: one frame a second.
	maxGap = second
	// soundKeys is the least distance of key packets where there are no pictures: each
	// costs the head of a cluster. Chosen: what a listener will not notice.
	soundKeys = second / 2
	// rare is how long pictures may go without a key before players are let in at any: an
	// encoder with gradual refresh marks one in all, one whose camera is off may announce
	// them and send none. Chosen: a point's default buffer, so that the last one has left it
	// and nobody could join.
	rare = 30 * second
)

// join says where the next cluster shall stand: where the last source's timeline ended.
func (c *clock) join(ns int64) { c.pending, c.next = true, ns }

// seam says that the next cluster begins a new stretch, right behind the last block.
func (c *clock) seam() {
	if c.started {
		c.pending, c.next = true, c.dts+max(c.gap, 1)
	}
}

// place takes the times of a block, in ticks of scale ns: the cluster's, and its own from
// there. moved tells that the times of clusters move by something else from here on;
// jumped, that the block's time does not follow from the last one's.
func (c *clock) place(cluster, rel, scale int64) (pts int64, moved, jumped bool) {
	in := (cluster + rel) * scale
	since := in - c.in
	switch {
	case c.pending || !c.started:
		c.open(cluster+min(rel, 0), scale)
		moved = true
	case since < -back || since > ahead:
		c.seam()
		c.open(cluster+min(rel, 0), scale)
		moved, jumped = true, true
	case since > 0:
		c.gap = min(since, maxGap)
	}
	c.in = in
	pts = (cluster + rel + c.shift) * scale
	c.dts = max(c.dts, pts)
	if !c.started {
		c.key = c.dts
	}
	c.started, c.pending = true, false
	return pts, moved, jumped
}

// open puts a stretch of input, that begins at so many ticks, to where it should stand.
func (c *clock) open(begin, scale int64) {
	if !c.started && c.next == 0 && begin*scale < near {
		c.shift = 0
		return
	}
	c.shift = (c.next+scale-1)/scale - begin
}

// kind is what a block is to players that would begin at it.
type kind uint8

const (
	beside     kind = iota // neither: sound that goes with pictures, titles
	sound                  // of a stream without pictures
	picture                // that needs others
	keyPicture             // that needs none
)

// isKey decides whether players may begin at the block that was just placed. fresh says
// that a cluster begins with it anyway.
func (c *clock) isKey(k kind, fresh bool) bool {
	since := c.dts - c.key
	if (k == beside || k == picture) && since < rare || k == sound && !fresh && since < soundKeys {
		return false
	}
	c.key = c.dts
	return true
}

func (c *clock) append(b []byte) []byte {
	for _, v := range [...]int64{c.next, c.shift, c.in, c.dts, c.gap, c.key} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func (c *clock) read(b []byte) {
	for i, p := range [...]*int64{&c.next, &c.shift, &c.in, &c.dts, &c.gap, &c.key} {
		*p = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}
