package mpegts

import "encoding/binary"

// appendTables appends a PAT and a PMT packet (2.4.4.3, 2.4.4.8).
func (m *Mux) appendTables(dst []byte) []byte {
	var s [PacketSize]byte
	pat := append(s[:0], 0x00, 0, 0, 0, muxProgram, 0xC1, 0, 0, 0, muxProgram, 0xE0|muxPMT>>8, muxPMT&0xFF)
	dst = appendSection(dst, 0, m.pat, pat)
	pcr := m.pid(int(m.main))
	pmt := append(s[:0], 0x02, 0, 0, 0, muxProgram, 0xC1, 0, 0, 0xE0|byte(pcr>>8), byte(pcr), 0xF0, 0)
	for i := range m.tracks[:m.count] {
		pid, c := m.pid(i), m.tracks[i].codec
		pmt = append(pmt, streamType(c), 0xE0|byte(pid>>8), byte(pid), 0xF0, 0)
		if c == Opus {
			pmt[len(pmt)-1] = byte(len(opusDescriptors))
			pmt = append(pmt, opusDescriptors...)
		}
	}
	dst = appendSection(dst, muxPMT, m.pmt, pmt)
	m.pat, m.pmt = (m.pat+1)&0x0F, (m.pmt+1)&0x0F
	return dst
}

// opusDescriptors are a registration (2.6.8) and the extension with a channel
// configuration of two (ETSI TS 103 491 annex, as ffmpeg and GStreamer write it).
const opusDescriptors = "\x05\x04Opus\x7F\x02\x80\x02"

// appendSection appends a packet with the section s, whose length and checksum are still
// missing. They and s fit into one packet.
func appendSection(dst []byte, pid uint16, counter byte, s []byte) []byte {
	binary.BigEndian.PutUint16(s[1:], uint16(0xB000|len(s)-3+4))
	at := len(dst)
	dst = append(dst, blank[:]...)
	p := dst[at:]
	p[0], p[1], p[2], p[3], p[4] = syncByte, 0x40|byte(pid>>8), byte(pid), 0x10|counter, 0
	n := 5 + copy(p[5:], s)
	binary.BigEndian.PutUint32(p[n:], crc32(s))
	return dst
}

// AppendOpusHead appends the control header that stands before each Opus packet in a
// transport stream: prefix, no trim, and the packet's size in bytes by 255s.
func AppendOpusHead(dst []byte, size int) []byte {
	dst = append(dst, 0x7F, 0xE0)
	for ; size >= 0xFF; size -= 0xFF {
		dst = append(dst, 0xFF)
	}
	return append(dst, byte(size))
}

const (
	muxVersion = 1
	muxHead    = 1 + 1 + 1 + 1 + 1 + 8 + 8
	muxStream  = 1 + 1 + 1 + 1 + 1
	// MaxMuxState is the longest that AppendBinary of a Mux writes, bytes.
	MaxMuxState = muxHead + MaxTracks*(muxStream+PacketSize)
)

// AppendBinary appends the state to dst, at most MaxMuxState bytes. It never fails. The
// same state always gives the same bytes.
func (m *Mux) AppendBinary(dst []byte) ([]byte, error) {
	be := binary.BigEndian
	dst = append(dst, muxVersion, m.count, m.pat, m.pmt, flag(m.begun))
	dst = be.AppendUint64(dst, uint64(m.tables))
	dst = be.AppendUint64(dst, uint64(m.clock))
	for i := range m.tracks[:m.count] {
		t := &m.tracks[i]
		dst = append(dst, byte(t.codec), t.counter, flag(t.open), t.n, t.payload)
		dst = append(dst, t.raw[:t.n]...)
	}
	return dst, nil
}

// UnmarshalBinary sets the state to what AppendBinary wrote. On ErrState m is the zero
// value. Empty b is the state of the zero value.
func (m *Mux) UnmarshalBinary(b []byte) error {
	*m = Mux{}
	if len(b) > 0 && !m.restore(b) {
		*m = Mux{}
		return ErrState
	}
	return nil
}

func (m *Mux) restore(b []byte) bool {
	if len(b) < muxHead || b[0] != muxVersion || b[1] > MaxTracks || b[2] > 15 || b[3] > 15 || b[4] > 1 {
		return false
	}
	m.count, m.pat, m.pmt, m.begun = b[1], b[2], b[3], b[4] == 1
	m.tables, m.clock = int64(binary.BigEndian.Uint64(b[5:])), int64(binary.BigEndian.Uint64(b[13:]))
	b = b[muxHead:]
	for i := range m.tracks[:m.count] {
		if len(b) < muxStream {
			return false
		}
		t := &m.tracks[i]
		*t = muxTrack{codec: Codec(b[0]), counter: b[1], open: b[2] == 1, n: b[3], payload: b[4]}
		if b[2] > 1 || streamType(t.codec) == 0 || t.counter > 15 || !t.fits() || len(b) < muxStream+int(t.n) {
			return false
		}
		b = b[muxStream:]
		b = b[copy(t.raw[:], b[:t.n]):]
		if t.n > 0 && !t.isPacket() {
			return false
		}
	}
	m.choose()
	return len(b) == 0
}

// fits tells whether the sizes are such as Begin and Write leave behind.
func (t *muxTrack) fits() bool {
	if t.n == 0 {
		return t.payload < PacketSize
	}
	return t.open && t.n < PacketSize && t.payload >= 4 && t.payload < t.n
}

// isPacket tells whether the bytes are a packet's beginning that stuff can fill up.
func (t *muxTrack) isPacket() bool {
	if t.raw[0] != syncByte {
		return false
	}
	if t.raw[3]&0x20 != 0 {
		return t.payload > 5 && t.raw[4] == t.payload-5
	}
	return t.payload == 4
}
