package abi

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A list field is u32 bytes, then items, each u32 length and its fields (spec.md
// §4). In memory a list stays in that encoded form: decoding one costs nothing, and
// appending to one reuses its buffer. The zero value is an empty list.
type list struct{ raw []byte }

func (l *list) visit(c *coder) { c.bytes(&l.raw) }

// reset empties the list and keeps its buffer. A decoded list is a view of the
// frame, so only lists that were built by appending may be reset for reuse.
func (l *list) reset() { l.raw = l.raw[:0] }

// begin opens an item of size bytes and returns a coder over them, which must write
// them all.
func (l *list) begin(size int) coder { return coder{buf: l.item(size)} }

// item opens an item of size bytes and returns them, to be written.
func (l *list) item(size int) []byte {
	start := len(l.raw)
	end := start + 4 + size
	if end > cap(l.raw) {
		l.raw = slices.Grow(l.raw, 4+size)
	}
	l.raw = l.raw[:end]
	binary.LittleEndian.PutUint32(l.raw[start:], uint32(size))
	return l.raw[start+4 : end : end]
}

// next cuts the first item off b. A malformed tail ends the walk.
func next(b []byte) (item coder, rest []byte, ok bool) {
	if len(b) < 4 {
		return coder{}, nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return coder{}, nil, false
	}
	end := 4 + int(n)
	return coder{buf: b[4:end:end], reading: true}, b[end:], true
}

// PieceKind says where a piece's bytes are.
type PieceKind uint16

// The kinds of piece. Mark, don't move: only PieceLiteral carries bytes.
const (
	// PieceLiteral: the bytes themselves.
	PieceLiteral PieceKind = 0
	// PieceInput: Length bytes of the connection's input at the absolute Offset.
	PieceInput PieceKind = 1
	// PieceHeader: the header of rendition Bytes ("point\x00rendition"; an empty name
	// means the event's own source rendition).
	PieceHeader PieceKind = 2
	// PiecePacket: Length bytes at Offset of the source packet with sequence Packet
	// (packagers; Length 0 means to its end).
	PiecePacket PieceKind = 3
)

// Piece is one part of a payload.
type Piece struct {
	Kind   PieceKind
	Length uint32
	Offset uint64
	Packet uint64
	Bytes  []byte
}

func (p *Piece) visit(c *coder) {
	k := uint16(p.Kind)
	c.u16(&k)
	p.Kind = PieceKind(k)
	switch p.Kind {
	case PieceLiteral, PieceHeader:
		c.bytes(&p.Bytes)
	case PieceInput:
		c.u32(&p.Length)
		c.u64(&p.Offset)
	case PiecePacket:
		c.u32(&p.Length)
		c.u64(&p.Offset)
		c.u64(&p.Packet)
	default: // of a later minor: only the kind can be read, which is enough to refuse it
	}
}

// Pieces is a list of Piece; the payload is their concatenation.
type Pieces struct{ list }

// Reset empties a list that was built by Add and keeps its buffer.
func (l *Pieces) Reset() { l.reset() }

// Add appends p, copying its bytes.
func (l *Pieces) Add(p Piece) {
	switch p.Kind {
	case PieceLiteral, PieceHeader:
		b := l.item(2 + 4 + len(p.Bytes))
		binary.LittleEndian.PutUint16(b, uint16(p.Kind))
		binary.LittleEndian.PutUint32(b[2:], uint32(len(p.Bytes)))
		copy(b[6:], p.Bytes)
	case PieceInput:
		b := l.item(2 + 4 + 8)
		binary.LittleEndian.PutUint16(b, uint16(p.Kind))
		binary.LittleEndian.PutUint32(b[2:], p.Length)
		binary.LittleEndian.PutUint64(b[6:], p.Offset)
	case PiecePacket:
		b := l.item(2 + 4 + 8 + 8)
		binary.LittleEndian.PutUint16(b, uint16(p.Kind))
		binary.LittleEndian.PutUint32(b[2:], p.Length)
		binary.LittleEndian.PutUint64(b[6:], p.Offset)
		binary.LittleEndian.PutUint64(b[14:], p.Packet)
	default:
		binary.LittleEndian.PutUint16(l.item(2), uint16(p.Kind))
	}
}

// All walks the list. The pieces' bytes are views of it.
func (l *Pieces) All() iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		for rest := l.raw; ; {
			c, tail, ok := next(rest)
			if !ok {
				return
			}
			var p Piece
			p.visit(&c)
			if c.failed || !yield(p) {
				return
			}
			rest = tail
		}
	}
}

// Field is a name and a value: an HTTP header line.
type Field struct{ Name, Value []byte }

func (f *Field) visit(c *coder) {
	c.bytes(&f.Name)
	c.bytes(&f.Value)
}

// Fields is a list of Field in the order of the wire.
type Fields struct{ list }

// Reset empties a list that was built by Add and keeps its buffer.
func (l *Fields) Reset() { l.reset() }

// Add appends a field, copying its bytes.
func (l *Fields) Add(name, value []byte) {
	b := l.item(8 + len(name) + len(value))
	binary.LittleEndian.PutUint32(b, uint32(len(name)))
	b = b[4+copy(b[4:], name):]
	binary.LittleEndian.PutUint32(b, uint32(len(value)))
	copy(b[4:], value)
}

// read is for a field that lacks something, or has more than this version knows.
func (f *Field) read(b []byte) (ok bool) {
	c := coder{buf: b, reading: true}
	f.visit(&c)
	return !c.failed
}

// All walks the list. Names and values are views of it.
func (l *Fields) All() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		var f Field
		for rest := l.raw; len(rest) >= 4; {
			n := uint64(binary.LittleEndian.Uint32(rest))
			if rest = rest[4:]; n > uint64(len(rest)) {
				return
			}
			item := rest[:n:n]
			rest = rest[n:]
			// Read here, since a guest pays for each call: there are many fields.
			if n >= 8 {
				name := uint64(binary.LittleEndian.Uint32(item))
				if name <= n-8 {
					if value := uint64(binary.LittleEndian.Uint32(item[4+name:])); value <= n-8-name {
						f.Name, f.Value = item[4:4+name:4+name], item[8+name:8+name+value:8+name+value]
						if !yield(f) {
							return
						}
						continue
					}
				}
			}
			if !f.read(item) || !yield(f) {
				return
			}
		}
	}
}

// PacketNote describes one packet of a rendition to a packager. Bytes holds as much
// of the packet as the plugin's manifest asks for (none, the first n bytes, all).
type PacketNote struct {
	Sequence uint64
	PTS, DTS int64 // ns on the rendition's timeline
	Flags    PacketFlags
	Track    uint16
	Tag      uint64
	Size     uint32 // bytes of the whole packet
	Bytes    []byte
}

// noteSize is the encoded size of what precedes a note's Bytes.
const noteSize = 3*8 + 2 + 2 + 8 + 4

// read reads a whole note in one go.
func (p *PacketNote) read(b []byte) (ok bool) {
	if len(b) >= noteSize+4 {
		n := uint64(binary.LittleEndian.Uint32(b[noteSize:]))
		if n <= uint64(len(b)-noteSize-4) {
			p.Sequence = binary.LittleEndian.Uint64(b)
			p.PTS, p.DTS = int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))
			p.Flags, p.Track = PacketFlags(binary.LittleEndian.Uint16(b[24:])), binary.LittleEndian.Uint16(b[26:])
			p.Tag, p.Size = binary.LittleEndian.Uint64(b[28:]), binary.LittleEndian.Uint32(b[36:])
			p.Bytes = b[noteSize+4 : noteSize+4+n : noteSize+4+n]
			return true
		}
	}
	c := coder{buf: b, reading: true}
	p.visit(&c)
	return !c.failed
}

func (p *PacketNote) visit(c *coder) {
	c.u64(&p.Sequence)
	c.i64(&p.PTS)
	c.i64(&p.DTS)
	c.u16((*uint16)(&p.Flags))
	c.u16(&p.Track)
	c.u64(&p.Tag)
	c.u32(&p.Size)
	c.bytes(&p.Bytes)
}

// PacketNotes is a list of PacketNote in sequence order.
type PacketNotes struct{ list }

// Reset empties a list that was built by Add and keeps its buffer.
func (l *PacketNotes) Reset() { l.reset() }

// Add appends a note, copying its bytes.
func (l *PacketNotes) Add(p PacketNote) {
	c := l.begin(noteSize + 4 + len(p.Bytes))
	p.visit(&c)
}

// Size is the encoded size of the list in bytes.
func (l *PacketNotes) Size() int { return len(l.raw) }

// All walks the list. The packets' bytes are views of it.
func (l *PacketNotes) All() iter.Seq[PacketNote] {
	return func(yield func(PacketNote) bool) {
		var p PacketNote
		for rest := l.raw; len(rest) >= 4; {
			n := uint64(binary.LittleEndian.Uint32(rest))
			if rest = rest[4:]; n > uint64(len(rest)) {
				return
			}
			item := rest[:n:n]
			rest = rest[n:]
			if !p.read(item) || !yield(p) {
				return
			}
		}
	}
}
