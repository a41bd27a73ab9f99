package asf

// ChunkKind is the PacketID letter of a framing header (MS-WMSP 2.2.3.1.1).
type ChunkKind uint8

// Kinds of chunk.
const (
	ChunkHeader ChunkKind = 'H'
	ChunkData   ChunkKind = 'D'
	ChunkChange ChunkKind = 'C'
	ChunkEnd    ChunkKind = 'E'
	ChunkMeta   ChunkKind = 'M'
	ChunkPair   ChunkKind = 'P'
	ChunkTest   ChunkKind = 'T'
	ChunkFiller ChunkKind = 'F' // MS-WMHTTP only
)

// Sizes of what the builders make, in bytes.
const (
	ChunkHeadSize = 12
	EndChunkSize  = 8
)

// Bits of AFFlags for a $H chunk: an unsplit header is first and last.
const (
	AFFirst  = 0x04
	AFLast   = 0x08
	AFSingle = AFFirst | AFLast
)

// Reasons of a $E chunk (MS-WMSP 2.2.3.4): finished, or another entry follows.
const (
	ReasonDone = 0
	ReasonNext = 1
)

// Chunk is a parsed framing header. The payload is b[Payload:Size] of the bytes it was
// parsed from; they need not be there yet.
type Chunk struct {
	Kind        ChunkKind
	Next        bool   // the B bit: another chunk follows at once
	Payload     int    // offset of the payload
	Size        int    // bytes of the whole chunk
	Location    uint32 // FramedMMS $H $D $M: LocationId
	Incarnation uint8  // likewise
	Flags       uint8  // likewise: AFFlags
	Reason      uint32 // $E and $C, when they have the length that carries one, else 0
}

// ParseChunk reads the framing header at the start of b, in layout FramedMMS or
// FramedPush. While need is not 0 it wants that many more bytes, never more than 12
// in all; the payload may still be missing when it succeeds. Any $E is an end: the one
// of ffmpeg carries a sequence number and no reason.
func ParseChunk(b []byte, l Layout) (c Chunk, need int, err error) {
	if len(b) > 0 && b[0]&0x7F != '$' {
		return c, 0, ErrChunk
	}
	if len(b) < 4 {
		return c, 4 - len(b), nil
	}
	c.Kind, c.Next = ChunkKind(b[1]), b[0]&0x80 != 0
	c.Payload, c.Size = 4, 4+int(le.Uint16(b[2:]))
	switch c.Kind {
	case ChunkHeader, ChunkData, ChunkMeta:
		if l == FramedMMS {
			return c.mms(b)
		}
	case ChunkEnd, ChunkChange:
		return c.reason(b, l)
	case ChunkPair, ChunkTest, ChunkFiller:
	default:
		return c, 0, ErrChunk
	}
	return c, 0, nil
}

// mms reads the MMS data packet head (MS-WMSP 2.2.3.1.2). Its own PacketSize repeats
// the length and is not looked at.
func (c Chunk) mms(b []byte) (Chunk, int, error) {
	if c.Size < ChunkHeadSize {
		return c, 0, ErrChunk
	}
	if len(b) < ChunkHeadSize {
		return c, ChunkHeadSize - len(b), nil
	}
	c.Location, c.Incarnation, c.Flags = le.Uint32(b[4:]), b[8], b[9]
	c.Payload = ChunkHeadSize
	return c, 0, nil
}

// reason reads the reason of $E (MS-WMSP 2.2.3.4) or $C, behind which a push carries
// the new header (MS-WMHTTP 2.2.3.2).
func (c Chunk) reason(b []byte, l Layout) (Chunk, int, error) {
	switch {
	case c.Kind == ChunkChange && c.Size < 8:
		return c, 0, ErrChunk
	case c.Size != 8 && !(c.Kind == ChunkChange && l == FramedPush):
		return c, 0, nil
	case len(b) < 8:
		return c, 8 - len(b), nil
	}
	c.Reason, c.Payload = le.Uint32(b[4:]), 8
	return c, 0, nil
}

// MMSDataHead builds the 8-byte head of an MMS data packet (MS-MMSP 2.2.2) of size
// payload bytes, at most MaxPacketSize.
func MMSDataHead(location uint32, incarnation, flags uint8, size int) [8]byte {
	var h [8]byte
	le.PutUint32(h[:], location)
	h[4], h[5] = incarnation, flags
	le.PutUint16(h[6:], uint16(8+size))
	return h
}

// framed builds a framing header and the MMS head behind it.
func framed(kind ChunkKind, location uint32, flags uint8, size int) [ChunkHeadSize]byte {
	var h [ChunkHeadSize]byte
	h[0], h[1] = '$', byte(kind)
	le.PutUint16(h[2:], uint16(8+size))
	mms := MMSDataHead(location, 0, flags, size)
	copy(h[4:], mms[:])
	return h
}

// AppendHeaderChunk appends a $H chunk, layout FramedMMS, with the whole header, which
// must be no longer than MaxHeaderSize.
func AppendHeaderChunk(dst, header []byte) ([]byte, error) {
	if len(header) > MaxHeaderSize {
		return dst, ErrTooLarge
	}
	head := framed(ChunkHeader, 0, AFSingle, len(header))
	return append(append(dst, head[:]...), header...), nil
}

// DataChunkHead builds what precedes a data packet of size bytes, at most
// MaxPacketSize, in layout FramedMMS. Number counts packets from 0; its low byte also
// serves as the running AFFlags counter (MS-MMSP 3.2.5.11.1).
func DataChunkHead(number uint32, size int) [ChunkHeadSize]byte {
	return framed(ChunkData, number, uint8(number), size)
}

// EndChunk builds a $E chunk.
func EndChunk(reason uint32) [EndChunkSize]byte { return reasoned(ChunkEnd, reason) }

// ChangeChunk builds a $C chunk, layout FramedMMS; a $H chunk follows it.
func ChangeChunk(reason uint32) [EndChunkSize]byte { return reasoned(ChunkChange, reason) }

func reasoned(kind ChunkKind, reason uint32) [EndChunkSize]byte {
	h := [EndChunkSize]byte{'$', byte(kind), 4, 0}
	le.PutUint32(h[4:], reason)
	return h
}
