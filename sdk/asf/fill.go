package asf

// Fill says how to give a packet the full packet size in a form that every reader
// accepts: the literal Bytes, then the packet's span from From to To, then Zeros zero
// bytes. The literal replaces what precedes the send time; in it the stated packet
// length is gone and the padding length is rebuilt (ASF 5.2.2).
type Fill struct {
	From, To int // offsets in the packet as it was parsed
	Zeros    int

	head  [30]byte // 16 error correction, 2 flags, 4 sequence, 2 padding; 24 used at most
	n     int
	whole bool
}

// Bytes returns the literal head, as a view of f.
func (f *Fill) Bytes() []byte { return f.head[:f.n] }

// Whole reports that the packet has its full size already; then Bytes is empty, the
// span is the packet and Zeros is 0.
func (f *Fill) Whole() bool { return f.whole }

// ZeroFill reports whether appending zeros up to packetSize makes a valid packet. It
// does not where nothing says that the tail is padding: a single payload would grow
// into it. Fill is right for any packet.
func (p *Packet) ZeroFill(packetSize int) bool {
	l := &p.lead
	return p.Size == packetSize || l.flags>>5&3 != 0 || l.padding != 0
}

// Fill plans how to emit the parsed packet at full size. Packet is the one that was
// parsed into p; packetSize is the one it was parsed with.
func (p *Packet) Fill(packet []byte, packetSize int) Fill {
	var f Fill
	if p.Size >= packetSize || p.Size != len(packet) {
		f.To, f.whole = len(packet), true
		return f
	}
	l := &p.lead
	f.From, f.To = p.SendTimeAt, p.PaddingAt
	sequence := l.sequenceSize()
	gap := packetSize - (l.correction + 2 + sequence + f.To - f.From)
	flags := l.flags & 0x87 // no packet length, padding length as needed
	f.n = copy(f.head[:], packet[:l.correction])
	switch {
	case gap == 0:
	case gap <= 1+0xFF:
		flags |= 1 << 3
		f.Zeros = gap - 1
	default:
		flags |= 2 << 3
		f.Zeros = gap - 2
	}
	f.put(uint32(flags), 1)
	f.put(uint32(l.property), 1)
	f.put(l.sequence, sequence)
	f.put(uint32(f.Zeros), min(2, gap-f.Zeros))
	return f
}

// put appends the low n bytes of v to the head.
func (f *Fill) put(v uint32, n int) {
	for ; n > 0; n-- {
		f.head[f.n] = byte(v)
		f.n++
		v >>= 8
	}
}

// AppendFull appends the parsed packet at full size, as Fill plans it.
func AppendFull(dst, packet []byte, packetSize int, p *Packet) []byte {
	f := p.Fill(packet, packetSize)
	dst = append(dst, f.Bytes()...)
	dst = append(dst, packet[f.From:f.To]...)
	for n := f.Zeros; n > 0; {
		k := min(n, len(zeros))
		dst = append(dst, zeros[:k]...)
		n -= k
	}
	return dst
}

var zeros [512]byte
