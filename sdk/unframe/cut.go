package unframe

import (
	"errors"
	"strconv"

	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md §4).
const (
	// Reserve is what Room should leave free for the verdicts beside FEED's pieces.
	Reserve = 2048
	// spanBytes is one span in a list of pieces, literalBytes a literal's head there.
	spanBytes    = 18
	literalBytes = 10
)

// zeros pad packets whose padding was stripped for transport.
var zeros [asf.MaxPacketSize]byte

// Scratch is an instance's working space; nothing that Cut gives depends on what is left
// in it. The zero value is ready; one goroutine uses it at a time.
type Scratch struct {
	packet asf.Packet
	header []byte
}

// Input is what there is to cut.
type Input struct {
	Layout     asf.Layout // FramedMMS or FramedPush
	Bytes      []byte
	Offset     uint64 // of Bytes[0] in the body
	PacketSize uint32 // that the last header named, in bytes; 0: none came yet
	Entries    bool   // $E with reason 1 is not the end: another entry follows (MS-WMHTTP 2.2.3.3)
	Room       int    // bytes that the pieces may take in the outbox
}

// Result is what Cut has done.
type Result struct {
	Used       int    // bytes of whole chunks
	Need       int    // unconsumed bytes to wait for; 0: none, or there was no room for more
	PacketSize uint32 // as in Input, from now on
	Fed        bool   // there are pieces
	End        bool   // $E was taken
	Reason     uint32 // of $E
	Bad        string // why the stream cannot be used, for people; then the rest means nothing
}

// cutter is one Cut.
type cutter struct {
	Input
	Result
	w    *Scratch
	p    *sdk.Pieces
	room int
	size uint32
}

// Cut takes as many whole chunks as are there and as there is room for, and puts what
// they carry into p: plain ASF, with each packet at its full size.
func (w *Scratch) Cut(in Input, p *sdk.Pieces) Result {
	c := cutter{Input: in, w: w, p: p, room: in.Room, size: in.PacketSize}
	for c.Used < len(c.Bytes) && c.next() {
	}
	c.Result.PacketSize, c.Fed = c.size, c.room != in.Room
	return c.Result
}

// next takes one chunk; false means that it could not, or that none follows.
func (c *cutter) next() bool {
	rest := c.Bytes[c.Used:]
	k, need, err := asf.ParseChunk(rest, c.Layout)
	switch {
	case err != nil:
		return c.fail("the framing is broken", c.Used, ": no chunk begins there")
	case need > 0 || len(rest) < k.Size:
		return c.wait(max(len(rest)+need, k.Size))
	}
	switch k.Kind {
	case asf.ChunkHeader:
		return c.takeHeader()
	case asf.ChunkChange: // MS-WMHTTP 2.2.3.2: the new header may follow inside
		if k.Size > k.Payload && c.Layout == asf.FramedPush {
			return c.takeHeader()
		}
	case asf.ChunkData:
		return c.takePacket(rest[k.Payload:k.Size], k)
	case asf.ChunkEnd: // any reason: ffmpeg's carries none
		c.Used += k.Size
		if c.Entries && k.Reason == asf.ReasonNext {
			return true
		}
		c.End, c.Reason = true, k.Reason
		return false
	}
	c.Used += k.Size
	return true
}

// takeHeader feeds the header that begins with the current chunk. It may be split over
// several $H chunks (MS-WMSP 2.2.3.5).
func (c *cutter) takeHeader() bool {
	size, need, err := c.w.gather(c.Bytes[c.Used:], c.Layout)
	if need > 0 {
		return c.wait(need)
	}
	var h asf.Header
	if err == nil {
		h, err = asf.ParseHeader(c.w.header)
	}
	if err != nil {
		c.Bad = HeaderFault(err)
		return false
	}
	if c.room -= h.Size + literalBytes; c.room < 0 {
		c.room += h.Size + literalBytes
		return false
	}
	c.p.Literal(c.w.header[:h.Size])
	c.size = uint32(h.PacketSize)
	c.Used += size
	return true
}

// Header reads the header that the header chunks at the start of b carry, for who wants
// to know it before anything is fed. size is what these chunks take, in bytes; while need
// is not 0, that many bytes of b are wanted.
func (w *Scratch) Header(b []byte, l asf.Layout) (h asf.Header, size, need int, err error) {
	if size, need, err = w.gather(b, l); err == nil && need == 0 {
		h, err = asf.ParseHeader(w.header)
	}
	return h, size, need, err
}

// gather joins the payloads of the header chunks at the start of b in w.header. size
// is what these chunks take; while need is not 0, that many bytes of b are wanted.
func (w *Scratch) gather(b []byte, l asf.Layout) (size, need int, err error) {
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

// takePacket feeds a data packet, at its full size: padding that was stripped for
// transport comes back.
func (c *cutter) takePacket(b []byte, k asf.Chunk) bool {
	if c.size == 0 {
		return c.fail("a data chunk stands before the header", c.Used, "")
	}
	size := int(c.size)
	offset := c.Offset + uint64(c.Used+k.Payload)
	if len(b) == size {
		if c.room < spanBytes {
			return false
		}
		c.room -= spanBytes
		c.p.Input(offset, size)
		c.Used += k.Size
		return true
	}
	if err := asf.ParsePacket(b, size, &c.w.packet); err != nil {
		return c.fail("a data packet of "+number(uint64(len(b)))+" bytes", c.Used, " does not fit the header, whose packets have "+number(uint64(size)))
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
	c.Used += k.Size
	return true
}

func (c *cutter) wait(n int) bool {
	c.Need = n
	return false
}

func (c *cutter) fail(what string, at int, detail string) bool {
	c.Bad = what + " (byte " + number(c.Offset+uint64(at)) + " of the body)" + detail
	return false
}

// HeaderFault says in words why a header cannot be used.
func HeaderFault(err error) string {
	switch {
	case errors.Is(err, asf.ErrTooLarge):
		return "the ASF header or its packet size is larger than 65527 bytes, the most that players can be sent; leave embedded pictures out, or choose smaller packets"
	case errors.Is(err, asf.ErrVariable):
		return "the ASF header announces packets of several sizes; let the encoder write packets of one size (ffmpeg: -packet_size 3200)"
	}
	return "the ASF header at the start of the stream is damaged; is something between encoder and server changing it?"
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
