package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md §4).
const (
	// reserve is kept free for PUBLISH, CONSUME, NEED, FEED's head, the state and an
	// answer.
	reserve = 2048
	// spanBytes is one span in a list of pieces, literalBytes a literal's head there.
	spanBytes    = 18
	literalBytes = 10
)

// zeros pad packets whose padding was stripped for transport.
var zeros [asf.MaxPacketSize]byte

// cutter takes the framing off one DATA: the child is fed plain ASF.
type cutter struct {
	w    *worker
	s    *state
	b    []byte
	at   uint64 // offset of b in the body
	used int
	p    *sdk.Pieces
	room int // bytes that p may still grow by
	need int // unconsumed bytes to wait for, 0: none
	end  bool
	bad  string // why the stream cannot be used, for people
}

// chunks feeds as many whole chunks as are there and as the outbox has room for.
func (w *worker) chunks(s *state, e *abi.Data, v *sdk.Verdicts) {
	c := cutter{w: w, s: s, b: e.Bytes, at: e.Offset, p: v.Pieces(), room: v.Room() - reserve - len(s.point)}
	full := c.room
	for c.used < len(c.b) && c.next() {
	}
	if c.bad != "" {
		s.refuse(v, 400, c.bad)
		return
	}
	if s.phase == sniffing && s.packetSize != 0 {
		v.Publish(s.point, "bytes:asf", 0)
		s.phase = framed
	}
	if c.room != full {
		v.Feed(body, c.p)
	}
	if c.used > 0 {
		v.Consume(body, e.Offset+uint64(c.used))
	}
	switch {
	case c.end && s.phase == framed:
		s.answer(v, "stream ended")
	case c.need > 0:
		await(e, c.need, v)
	}
}

// next takes one chunk; false means that it could not, or that none follows.
func (c *cutter) next() bool {
	rest := c.b[c.used:]
	k, need, err := asf.ParseChunk(rest, c.s.layout)
	switch {
	case err != nil:
		return c.fail("the framing is broken", c.used, ": no chunk begins there")
	case need > 0 || len(rest) < k.Size:
		return c.wait(max(len(rest)+need, k.Size))
	}
	switch k.Kind {
	case asf.ChunkHeader:
		return c.header()
	case asf.ChunkChange: // MS-WMHTTP 2.2.3.2: the new header may follow inside
		if k.Size > k.Payload && c.s.layout == asf.FramedPush {
			return c.header()
		}
	case asf.ChunkData:
		return c.packet(rest[k.Payload:k.Size], k)
	case asf.ChunkEnd: // any reason: ffmpeg's carries none
		c.used += k.Size
		c.end = true
		return false
	}
	c.used += k.Size
	return true
}

// header feeds the header that begins with the current chunk. It may be split over
// several $H chunks (MS-WMSP 2.2.3.5).
func (c *cutter) header() bool {
	size, need, err := c.w.gather(c.b[c.used:], c.s.layout)
	if need > 0 {
		return c.wait(need)
	}
	var h asf.Header
	if err == nil {
		h, err = asf.ParseHeader(c.w.header)
	}
	if err != nil {
		c.bad = headerFault(err)
		return false
	}
	if c.room -= h.Size + literalBytes; c.room < 0 {
		c.room += h.Size + literalBytes
		return false
	}
	c.p.Literal(c.w.header[:h.Size])
	c.s.packetSize = uint32(h.PacketSize)
	c.used += size
	return true
}

// gather joins the payloads of the header chunks at the start of b in w.header. size
// is what these chunks take; while need is not 0, that many bytes of b are wanted.
func (w *worker) gather(b []byte, l asf.Layout) (size, need int, err error) {
	w.header = w.header[:0]
	for {
		k, need, err := asf.ParseChunk(b[size:], l)
		switch {
		case err != nil:
			return 0, 0, err
		case need > 0 || len(b)-size < k.Size:
			return 0, max(len(b)+need, size+k.Size), nil
		case size > 0 && k.Kind != asf.ChunkHeader:
			return 0, 0, asf.ErrTruncated
		}
		w.header = append(w.header, b[size+k.Payload:size+k.Size]...)
		size += k.Size
		n, missing, err := asf.HeaderSize(w.header)
		if err != nil || n > 0 && missing == 0 {
			return size, 0, err
		}
	}
}

// packet feeds a data packet, at its full size: padding that was stripped for
// transport comes back.
func (c *cutter) packet(b []byte, k asf.Chunk) bool {
	if c.s.packetSize == 0 {
		return c.fail("a data chunk stands before the header", c.used, "")
	}
	size := int(c.s.packetSize)
	offset := c.at + uint64(c.used+k.Payload)
	if len(b) == size {
		if c.room < spanBytes {
			return false
		}
		c.room -= spanBytes
		c.p.Input(offset, size)
		c.used += k.Size
		return true
	}
	if err := asf.ParsePacket(b, size, &c.w.packet); err != nil {
		return c.fail("a data packet of "+number(uint64(len(b)))+" bytes", c.used, " does not fit the header, whose packets have "+number(uint64(size)))
	}
	f := c.w.packet.Fill(b, size)
	cost := spanBytes + 2*literalBytes + len(f.Bytes()) + f.Zeros
	if c.room < cost {
		return false
	}
	c.room -= cost
	if len(f.Bytes()) > 0 {
		c.p.Literal(f.Bytes())
	}
	c.p.Input(offset+uint64(f.From), f.To-f.From)
	if f.Zeros > 0 {
		c.p.Literal(zeros[:f.Zeros])
	}
	c.used += k.Size
	return true
}

func (c *cutter) wait(n int) bool {
	c.need = n
	return false
}

func (c *cutter) fail(what string, at int, detail string) bool {
	c.bad = what + " (byte " + number(c.at+uint64(at)) + " of the body)" + detail
	return false
}
