package mpegts

// Flags of the adaptation field (2.4.3.5).
const (
	adaptDiscontinuity = 0x80
	adaptRandomAccess  = 0x40
	adaptPCR           = 0x10
	adaptOPCR          = 0x08
)

// packet is a view of one packet's parts. Its fields are zero where a part is missing
// or does not fit.
type packet struct {
	b       []byte // 188 bytes
	pid     uint16
	start   bool // payload_unit_start_indicator
	adapt   byte // flags of the adaptation field
	counter uint8
	payload int // offset of the payload, 188 if there is none
	pcr     int // offset of the PCR field, 0 without
	opcr    int
}

// open reads the packet head and the adaptation field (2.4.3.2, 2.4.3.4). It returns
// false for what must not be interpreted: no sync byte, a transport error, or lengths
// that do not fit.
func (k *packet) open(b []byte) bool {
	if len(b) < PacketSize || b[0] != syncByte {
		return false
	}
	b = b[:PacketSize]
	k.b = b
	k.pid = uint16(b[1]&0x1F)<<8 | uint16(b[2])
	k.start = b[1]&0x40 != 0
	k.counter = b[3] & 0x0F
	k.payload = 4
	if b[3]&0x20 != 0 {
		n := int(b[4])
		if n > 183 {
			return false
		}
		k.payload = 5 + n
		if n > 0 {
			k.adapt = b[5]
		}
		at := 6
		if k.adapt&adaptPCR != 0 && n >= 7 {
			k.pcr = at
			at += 6
		}
		if k.adapt&adaptOPCR != 0 && at+6 <= 5+n {
			k.opcr = at
		}
	}
	if b[3]&0x10 == 0 {
		k.payload = PacketSize
	}
	return b[1]&0x80 == 0
}

// clear reports whether the payload is not scrambled.
func (k *packet) clear() bool { return k.b[3]&0xC0 == 0 }

// clock reads the 33-bit base of a PCR.
func clock(b []byte) int64 {
	_ = b[5]
	return int64(b[0])<<25 | int64(b[1])<<17 | int64(b[2])<<9 | int64(b[3])<<1 | int64(b[4])>>7
}

// pes is the head of a PES packet that begins in a packet (2.4.3.6).
type pes struct {
	pts, dts int // offsets of the 5-byte fields in the packet, 0 without
	data     int // offset of the elementary stream's bytes, at most 188
}

// pes reads the PES head at the start of the payload.
func (k *packet) pes() (h pes, ok bool) {
	b := k.b[k.payload:]
	if !k.start || len(b) < 6 || b[0] != 0 || b[1] != 0 || b[2] != 1 {
		return h, false
	}
	h.data = k.payload + 6
	switch b[3] { // 2.4.3.7: stream ids whose packets have no optional head
	case 0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF:
		return h, true
	}
	if len(b) < 9 || b[6]&0xC0 != 0x80 {
		return h, true
	}
	n := int(b[8])
	at := k.payload + 9
	h.data = min(at+n, PacketSize)
	if b[7]&0x80 != 0 && n >= 5 && isStamp(k.b[at:]) {
		h.pts = at
		if b[7]&0x40 != 0 && n >= 10 && isStamp(k.b[at+5:]) {
			h.dts = at + 5
		}
	}
	return h, true
}

// isStamp checks the three marker bits of a PTS or DTS field.
func isStamp(b []byte) bool { return len(b) >= 5 && b[0]&b[2]&b[4]&1 == 1 }

// stamp reads a PTS or DTS field.
func stamp(b []byte) int64 {
	_ = b[4]
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}
