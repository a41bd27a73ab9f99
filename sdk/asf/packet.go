package asf

// MaxPayloads is the most payloads one packet can hold (ASF 5.2.3.2: six bits).
const MaxPayloads = 63

// Payload is one payload of a data packet. Offsets count from the packet's first byte.
type Payload struct {
	Stream     uint8 // 1–127
	Key        bool  // of a key frame; encoders leave it clear for audio
	HasTime    bool  // Time is valid
	Compressed bool  // several whole objects of one stream: see NextSub
	Step       uint8 // ms between the objects of a Compressed payload
	Object     uint32
	Offset     uint32 // of the data in the media object; 0 when Compressed
	ObjectSize uint32 // bytes; 0 when Compressed or not stated
	Time       uint32 // presentation time in ms, preroll included
	TimeAt     int    // offset of Time's four bytes; 0: there are no four bytes to rewrite
	Start, End int    // the data
}

// Packet is a parsed data packet. It holds no reference to the packet's bytes; about
// 3 KB, meant to be reused.
type Packet struct {
	SendTime   uint32 // ms
	Duration   uint16 // ms
	SendTimeAt int    // offset of the send time's four bytes
	PaddingAt  int    // offset behind the last payload: padding starts here
	Size       int    // bytes that were parsed
	Count      int    // payloads
	Payloads   [MaxPayloads]Payload

	lead packetLead
}

// packetLead is what precedes the send time.
type packetLead struct {
	correction int    // bytes of error correction data with their flags byte
	flags      byte   // length type flags
	property   byte   // property flags
	length     uint32 // explicit packet length, 0 without
	sequence   uint32
	padding    uint32
}

// sequenceSize is how many bytes the sequence number takes.
func (l *packetLead) sequenceSize() int {
	if t := int(l.flags >> 1 & 3); t < 3 {
		return t
	}
	return 4
}

// List returns the payloads, as a view of p.
func (p *Packet) List() []Payload { return p.Payloads[:p.Count] }

// reader takes little-endian fields from a packet. After bad is set it gives zeros.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) u8() uint8 {
	if r.at >= len(r.b) {
		r.bad = true
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) u16() uint16 {
	if len(r.b)-r.at < 2 {
		r.bad = true
		return 0
	}
	r.at += 2
	return le.Uint16(r.b[r.at-2:])
}

func (r *reader) u32() uint32 {
	if len(r.b)-r.at < 4 {
		r.bad = true
		return 0
	}
	r.at += 4
	return le.Uint32(r.b[r.at-4:])
}

// field takes a value whose two-bit length type is kind (ASF 5.2.2).
func (r *reader) field(kind byte) uint32 {
	switch kind & 3 {
	case 1:
		return uint32(r.u8())
	case 2:
		return uint32(r.u16())
	case 3:
		return r.u32()
	}
	return 0
}

// ParsePacket reads one data packet (ASF 5.2). PacketSize is the header's; p may be
// shorter when its padding was stripped for transport (MS-WMSP 2.2.3.3), never longer.
// A stripped packet that still states a padding length is read as if its missing tail
// were zeros, which is what players do. On an error *out is undefined.
//
// The object sizes that payloads claim are passed on, not checked against their data.
func ParsePacket(p []byte, packetSize int, out *Packet) error {
	if len(p) > packetSize {
		return ErrTooLarge
	}
	r := reader{b: p}
	l := &out.lead
	*l = packetLead{}
	if len(p) > 0 && p[0]&0x80 != 0 {
		// ASF 5.2.1: length type must be 0; opaque packets (bit 4) have no payloads.
		if p[0]&0x70 != 0 {
			return ErrMalformed
		}
		l.correction = 1 + int(p[0]&0x0F)
		r.at = l.correction
	}
	l.flags, l.property = r.u8(), r.u8()
	l.length = r.field(l.flags >> 5)
	l.sequence = r.field(l.flags >> 1)
	l.padding = r.field(l.flags >> 3)
	out.SendTimeAt = r.at
	out.SendTime, out.Duration = r.u32(), r.u16()
	if r.bad {
		return ErrTruncated
	}
	if l.flags&0x80 != 0 || l.property>>6 != 1 { // ASF 5.2.2: stream numbers take a byte
		return ErrMalformed
	}
	end, err := l.end(len(p), packetSize)
	if err != nil {
		return err
	}
	if end < r.at {
		return ErrMalformed
	}
	r.b = p[:end]
	out.Size = len(p)
	return out.payloads(&r)
}

// end returns the offset at which the payloads must have ended.
func (l *packetLead) end(have, packetSize int) (int, error) {
	whole := packetSize
	if l.flags>>5&3 != 0 { // the packet states its own length; the rest is padding
		if l.length == 0 || l.length > uint32(packetSize) {
			return 0, ErrMalformed
		}
		whole = int(l.length)
	} else if l.padding == 0 {
		return have, nil
	}
	if l.padding > uint32(whole) {
		return 0, ErrMalformed
	}
	end := whole - int(l.padding)
	if end > have {
		return 0, ErrTruncated
	}
	return end, nil
}

// payloads reads the payloads from r, whose bytes end where they must have ended.
func (p *Packet) payloads(r *reader) error {
	if p.lead.flags&1 == 0 { // ASF 5.2.3.1, 5.2.3.3: a single payload
		p.Count = 1
		if err := p.Payloads[0].parse(r, p.lead.property, 0); err != nil {
			return err
		}
		p.PaddingAt = r.at
		return nil
	}
	flags := r.u8() // ASF 5.2.3.2
	if r.bad {
		return ErrTruncated
	}
	p.Count = int(flags & 0x3F)
	if p.Count == 0 || flags>>6 == 0 {
		return ErrMalformed
	}
	for i := range p.List() {
		if err := p.Payloads[i].parse(r, p.lead.property, flags>>6); err != nil {
			return err
		}
	}
	p.PaddingAt = r.at
	return nil
}

// parse reads a payload. LengthType 0 means that the data extend to the end of r.
func (l *Payload) parse(r *reader, property, lengthType byte) error {
	*l = Payload{}
	stream := r.u8()
	l.Stream, l.Key = stream&0x7F, stream&0x80 != 0
	l.Object = r.field(property >> 4)
	offsetAt := r.at
	l.Offset = r.field(property >> 2)
	offsetWide := r.at-offsetAt == 4
	replicated := r.field(property)
	if r.bad || replicated > uint32(len(r.b)-r.at) {
		return ErrTruncated
	}
	if l.Stream == 0 {
		return ErrMalformed
	}
	switch {
	case replicated == 0:
	case replicated == 1: // ASF 5.2.3.3: the offset field holds the time
		l.Compressed, l.HasTime = true, true
		l.Time, l.Offset = l.Offset, 0
		l.Step = r.u8()
		if offsetWide {
			l.TimeAt = offsetAt
		}
	case replicated < 8: // ASF 5.2.3.1
		return ErrMalformed
	default:
		l.ObjectSize = le.Uint32(r.b[r.at:])
		l.TimeAt, l.HasTime = r.at+4, true
		l.Time = le.Uint32(r.b[l.TimeAt:])
		r.at += int(replicated)
	}
	return l.data(r, lengthType)
}

// data reads the payload's length and delimits its data.
func (l *Payload) data(r *reader, lengthType byte) error {
	size := uint32(len(r.b) - r.at)
	if lengthType != 0 {
		size = r.field(lengthType)
		if r.bad || size > uint32(len(r.b)-r.at) {
			return ErrTruncated
		}
	}
	l.Start, l.End = r.at, r.at+int(size)
	r.at = l.End
	if l.Compressed {
		for at := l.Start; at < l.End; {
			_, at = NextSub(r.b, at, l.End)
			if at > l.End {
				return ErrTruncated
			}
		}
	}
	return nil
}

// NextSub delimits the object at offset at in a Compressed payload that ends at end:
// one length byte, then the data (ASF 5.2.3.3). The next one begins at stop. Object i
// of the payload is presented at Time + i × Step. For offsets of a parsed payload
// stop never exceeds end.
func NextSub(packet []byte, at, end int) (start, stop int) {
	if at < 0 || at >= end || at >= len(packet) {
		return end, end
	}
	return at + 1, at + 1 + int(packet[at])
}

// KeyAt reports whether players of the given video streams may join at the packet: it
// holds the first fragment of a key frame of one of them. With an empty set, that is
// with audio alone, every packet is a join point. A packet that begins with the tail
// of an older frame is a join point none the less; players skip the tail.
func KeyAt(video StreamSet, p *Packet) bool {
	if video.Empty() {
		return true
	}
	for i := range p.List() {
		if l := &p.Payloads[i]; l.Key && l.Offset == 0 && video.Has(l.Stream) {
			return true
		}
	}
	return false
}

// FirstTime returns the presentation time in ms, preroll included, of the first
// payload that has one and belongs to the set; an empty set stands for all streams.
func (p *Packet) FirstTime(set StreamSet) (ms uint32, ok bool) {
	for i := range p.List() {
		if l := &p.Payloads[i]; l.HasTime && (set.Empty() || set.Has(l.Stream)) {
			return l.Time, true
		}
	}
	return 0, false
}
