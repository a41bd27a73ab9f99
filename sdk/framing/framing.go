// Package framing takes the chunks of Windows Media's HTTP streams (MS-WMSP 2.2.3,
// MS-WMHTTP 2.2.3) off an input, so that a format plugin is fed plain ASF.
//
// It owns nothing. One DATA of framed ASF comes in; pieces go out, spans of that input
// wherever the bytes are what the ASF stream wants, literals for a header that came in
// parts and for padding that was stripped. The state between two DATA is a Stream, two
// numbers for the caller to keep. It never looks into packets further than their padding,
// never keeps a slice, and never panics, whatever the bytes are.
//
// A Cutter has one owner at a time.
package framing

import (
	"errors"
	"strconv"

	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md §4).
const (
	spanBytes    = 18 // one span in a list of pieces
	literalBytes = 10 // a literal's head there
)

// zeros pad packets whose padding was stripped for transport.
var zeros [asf.MaxPacketSize]byte

// Stream is what a framed stream is known to be. The zero value is of no use: Layout is
// asf.FramedMMS or asf.FramedPush.
type Stream struct {
	Layout     asf.Layout
	PacketSize int // of each packet behind the last header, bytes; 0 before the first
}

// Result is what was made of one DATA.
type Result struct {
	Used   int    // bytes that are done with: consume them
	Need   int    // unconsumed bytes to wait for; 0: whatever comes
	Fed    bool   // pieces were added
	End    bool   // the last chunk was $E
	Reason uint32 // of $E
	Bad    string // why the stream cannot be used, for people; empty: it can
}

// Cutter is scratch space. The zero value is ready to use, and no result depends on what
// is left in it.
type Cutter struct {
	packet asf.Packet
	header []byte

	s    *Stream
	b    []byte
	at   uint64
	p    *sdk.Pieces
	room int
	r    Result
}

// Cut adds to p the ASF of as many whole chunks as b holds and as room bytes of verdicts
// have place for. b is input that begins at the absolute offset at. It goes on behind a
// $E whose reason says that another entry follows.
func (c *Cutter) Cut(s *Stream, b []byte, at uint64, p *sdk.Pieces, room int) Result {
	c.s, c.b, c.at, c.p, c.room, c.r = s, b, at, p, room, Result{}
	for c.r.Used < len(b) && c.next() {
	}
	r := c.r
	c.s, c.b, c.p, c.r = nil, nil, nil, Result{}
	return r
}

// next takes one chunk; false means that it could not, or that none follows.
func (c *Cutter) next() bool {
	rest := c.b[c.r.Used:]
	k, need, err := asf.ParseChunk(rest, c.s.Layout)
	switch {
	case err != nil:
		return c.fail("the framing is broken: no chunk begins there")
	case need > 0 || len(rest) < k.Size:
		return c.wait(max(len(rest)+need, k.Size))
	}
	switch k.Kind {
	case asf.ChunkHeader:
		return c.takeHeader()
	case asf.ChunkChange: // MS-WMHTTP 2.2.3.2: the new header may follow inside
		if k.Size > k.Payload && c.s.Layout == asf.FramedPush {
			return c.takeHeader()
		}
	case asf.ChunkData:
		return c.takePacket(rest[k.Payload:k.Size], k)
	case asf.ChunkEnd: // the one of ffmpeg carries no reason
		c.r.End, c.r.Reason = true, k.Reason
		c.r.Used += k.Size
		return k.Reason == asf.ReasonNext
	}
	c.r.Used += k.Size
	return true
}

// takeHeader adds the header that begins with the current chunk. It may be split over
// several $H chunks (MS-WMSP 2.2.3.5).
func (c *Cutter) takeHeader() bool {
	h, size, need, err := c.Header(c.b[c.r.Used:], c.s.Layout)
	if need > 0 {
		return c.wait(need)
	}
	if err != nil {
		c.r.Bad = HeaderFault(err)
		return false
	}
	if c.room < h.Size+literalBytes {
		return false
	}
	c.room -= h.Size + literalBytes
	c.p.Literal(c.header[:h.Size])
	c.s.PacketSize = h.PacketSize
	c.r.Used += size
	c.r.Fed, c.r.End = true, false
	return true
}

// Header reads the header that the header chunks at the start of b carry. size is what
// these chunks take; while need is not 0, that many bytes of b are wanted.
func (c *Cutter) Header(b []byte, l asf.Layout) (h asf.Header, size, need int, err error) {
	c.header = c.header[:0]
	for {
		k, need, err := asf.ParseChunk(b[size:], l)
		switch {
		case err != nil:
			return h, 0, 0, err
		case need > 0 || len(b)-size < k.Size:
			return h, 0, max(len(b)+need, size+k.Size), nil
		case size > 0 && k.Kind != asf.ChunkHeader:
			return h, 0, 0, asf.ErrTruncated
		}
		c.header = append(c.header, b[size+k.Payload:size+k.Size]...)
		size += k.Size
		n, missing, err := asf.HeaderSize(c.header)
		if err == nil && (n == 0 || missing > 0) {
			if size == len(b) {
				return h, 0, len(b) + 4, nil
			}
			continue
		}
		if err == nil {
			h, err = asf.ParseHeader(c.header)
		}
		return h, size, 0, err
	}
}

// takePacket adds a data packet, at its full size: padding that was stripped for
// transport comes back.
func (c *Cutter) takePacket(b []byte, k asf.Chunk) bool {
	size := c.s.PacketSize
	if size == 0 {
		return c.fail("a data chunk stands before the header")
	}
	offset := c.at + uint64(c.r.Used+k.Payload)
	if len(b) == size {
		if c.room < spanBytes {
			return false
		}
		c.room -= spanBytes
		c.p.Input(offset, size)
		c.done(k)
		return true
	}
	if err := asf.ParsePacket(b, size, &c.packet); err != nil {
		return c.fail("a data packet of " + strconv.Itoa(len(b)) + " bytes does not fit the header, whose packets have " + strconv.Itoa(size))
	}
	f := c.packet.Fill(b, size)
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
	c.done(k)
	return true
}

func (c *Cutter) done(k asf.Chunk) {
	c.r.Used += k.Size
	c.r.Fed, c.r.End = true, false
}

func (c *Cutter) wait(n int) bool {
	c.r.Need = n
	return false
}

func (c *Cutter) fail(what string) bool {
	c.r.Bad = what + " (byte " + strconv.FormatUint(c.at+uint64(c.r.Used), 10) + ")"
	return false
}

// HeaderFault says in words why a header cannot be used.
func HeaderFault(err error) string {
	switch {
	case errors.Is(err, asf.ErrTooLarge):
		return "the ASF header or its packet size is larger than 65527 bytes, the most that players can be sent"
	case errors.Is(err, asf.ErrVariable):
		return "the ASF header announces packets of several sizes"
	}
	return "the ASF header at the start of the stream is damaged"
}
