package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// convoyPieces is how many messages a viewer may be sent in a turn for others to follow it.
// Chosen: a round of RTP is a few; of a transport stream it is one.
const convoyPieces = 16

// udpConvoy is convoy for datagrams: the messages that the last viewer had in its turn, and
// where they led. The zero value is none.
type udpConvoy struct {
	from, to stream.Mark // before; after
	pieces   []piece
	socket   *udpSocket
	rules    *rules
	segment  int
	burst    float64
	rate     int // that fills its bucket, bytes a second
	size     int // of its bucket
	charge   int // what its bucket paid
	packets  uint64
	rest     uint64 // its datagrams.rest and restAt
	restAt   time.Duration
	follows  bool // others may
}

// piece is one message of packets.
type piece struct {
	b     []byte
	size  int // of each datagram but the last
	count int // of datagrams
}

// begin has a viewer lead, if a round is under way and nothing but packets is to be sent to it.
func (c *udpConvoy) begin(v *Viewer, leads bool) {
	c.spoil() // what the one before had
	c.follows = false
	s, d := &v.state, v.udp
	if leads && s.grace == 0 && s.next == nil && s.leave == None && !d.plain && !d.socket.plain {
		c.from, c.charge = v.cursor.Mark(), d.bucket.tokens
	}
}

// add notes a message of packets.
func (c *udpConvoy) add(b []byte, size int) {
	if c.from == (stream.Mark{}) { // nobody may follow
		return
	}
	if len(c.pieces) == convoyPieces || size > maxDatagram {
		c.spoil()
		return
	}
	c.pieces = append(c.pieces, piece{b, size, (len(b) + size - 1) / size})
}

// spoil has nobody follow: something was sent that is the viewer's own.
func (c *udpConvoy) spoil() {
	clear(c.pieces)
	c.from, c.pieces = stream.Mark{}, c.pieces[:0]
}

// end notes where a viewer has come to that has all there is now.
func (c *udpConvoy) end(v *Viewer, rate int, before uint64) {
	if c.from == (stream.Mark{}) || len(c.pieces) == 0 || v.cursor.Skipped() > 0 { // which each counts for itself
		return
	}
	d := v.udp
	c.to, c.packets, c.rules = v.cursor.Mark(), v.cursor.Sent()-before, v.rules
	c.socket, c.segment, c.burst, c.rest, c.restAt = d.socket, d.segment, d.burst, d.rest, d.restAt
	c.rate, c.size, c.charge = rate, d.bucket.size, c.charge-d.bucket.tokens
	c.follows = true
}

// drop lets go of what was noted.
func (c *udpConvoy) drop() {
	clear(c.pieces)
	*c = udpConvoy{pieces: c.pieces[:0]}
}

// isAlike tells whether a viewer is to be sent what the one before it was.
func (c *udpConvoy) isAlike(v *Viewer) bool {
	d, s := v.udp, &v.state
	return c.follows && v.cursor.IsAt(&c.from) && v.rules == c.rules && v.out == nil && len(d.first) == 0 &&
		s.leave == None && s.next == nil && !s.held && !s.ended &&
		d.socket == c.socket && d.segment == c.segment && d.burst == c.burst && !d.plain && !d.failing.isThere()
}

// followUDP is follow for datagrams: the socket's batch has a viewer's messages then.
func (w *worker) followUDP(v *Viewer, now time.Duration) bool {
	c, d := &w.udp.convoy, v.udp
	if !c.isAlike(v) {
		return false
	}
	d.bucket.size = c.size
	d.bucket.fill(now, c.rate)
	if d.bucket.tokens <= c.charge || !w.udp.takes(d.socket, len(c.pieces), now) {
		return false
	}
	for i := range c.pieces {
		p := &c.pieces[i]
		d.socket.add(v, p.b, p.size)
		d.count(v, len(p.b), p.count)
	}
	w.udp.mark(d.socket)
	d.bucket.tokens -= c.charge
	d.rest, d.restAt = c.rest, c.restAt
	v.cursor.MoveTo(&c.to, c.packets)
	v.state.grace = 0
	w.note(v)
	return true
}
