package asf

// Bare says how to give a packet the form in which RTP carries it (MS-RTSP 2.2.1.4): the
// literal Bytes, then the packet's span from From to To. It has no padding, and states its
// length where it had some: a reader that knows of the packet size alone would take the next
// packet's bytes for what is missing. A packet that was full is left as it is.
type Bare struct {
	From, To int // offsets in the packet as it was parsed

	head [24]byte // 16 error correction, 2 flags, 2 length, 4 sequence
	n    int
}

// Bytes returns the literal head, as a view of b.
func (b *Bare) Bytes() []byte { return b.head[:b.n] }

// Size is of the whole in bytes, two more than those of the packet at most.
func (b *Bare) Size() int { return b.n + b.To - b.From }

// Bare plans how to emit the parsed packet without its padding. Packet is the one that was
// parsed into p; packetSize is the one it was parsed with.
func (p *Packet) Bare(packet []byte, packetSize int) (b Bare) {
	if p.Size != len(packet) || p.PaddingAt == packetSize {
		b.To = len(packet)
		return b
	}
	l := &p.lead
	b.From, b.To = p.SendTimeAt, p.PaddingAt
	sequence := l.sequenceSize()
	const lengthOfTwo = 2 << 5 // ASF 5.2.2
	h := append(b.head[:0], packet[:l.correction]...)
	h = append(h, l.flags&7|lengthOfTwo, l.property)
	h = le.AppendUint16(h, uint16(len(h)+2+sequence+b.To-b.From))
	for s := l.sequence; sequence > 0; sequence-- {
		h = append(h, byte(s))
		s >>= 8
	}
	b.n = len(h)
	return b
}
