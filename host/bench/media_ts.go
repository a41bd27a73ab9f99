package main

import (
	"encoding/binary"
)

// tsFile makes a transport stream of H.264 pictures, 25 a second and a key picture each second, that fills kbit kbit/s together with the null packet that
// mediasrc puts before every six of it. Its parameter sets and slice heads are valid, so that servers which look into pictures take it; what follows the
// heads is filler.
func tsFile(kbit, seconds int) []byte {
	const perSecond = 25
	packetsPerPicture := float64(kbit) * 1000 / 8 / tsPacket / perSecond * 6 / 7
	w := &tsWriter{}
	due := 0.0
	for n := range seconds * perSecond {
		due += packetsPerPicture
		ticks := uint64(n+perSecond) * 90000 / perSecond // the first second is for the decoder's buffer
		key := n%perSecond == 0
		if key {
			w.section(0, patSection)
			w.section(pmtPID, pmtSection)
		}
		packets := max(int(due)-len(w.b)/tsPacket, 1)
		w.picture(packets, ticks, key, n%perSecond)
	}
	return w.b
}

const (
	tsPacket = 188 // bytes (ISO/IEC 13818-1 2.4.3)
	pmtPID   = 0x1000
	videoPID = 0x100
)

// The tables without their checksum (ISO/IEC 13818-1 2.4.4): one programme with one H.264 stream, whose clock it carries itself.
var (
	patSection = []byte{0x00, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | pmtPID>>8, pmtPID & 0xFF}
	pmtSection = []byte{0x02, 0xB0, 18, 0, 1, 0xC1, 0, 0, 0xE0 | videoPID>>8, videoPID & 0xFF, 0xF0, 0, 0x1B, 0xE0 | videoPID>>8, videoPID & 0xFF, 0xF0, 0}
)

type tsWriter struct {
	b     []byte
	count [3]byte // continuity counters: PAT, PMT, video
}

// head begins a packet and gives its space behind the four bytes of the head.
func (w *tsWriter) head(pid uint16, which int, start bool, control byte) []byte {
	at := len(w.b)
	w.b = append(w.b, make([]byte, tsPacket)...)
	p := w.b[at:]
	p[0] = 0x47
	binary.BigEndian.PutUint16(p[1:], pid)
	if start {
		p[1] |= 0x40
	}
	p[3] = control | w.count[which]&15
	w.count[which]++
	return p[4:]
}

func (w *tsWriter) section(pid uint16, s []byte) {
	which := min(int(pid), 1)
	p := w.head(pid, which, true, 0x10)
	for i := range p {
		p[i] = 0xFF
	}
	p[0] = 0 // pointer
	n := copy(p[1:], s)
	binary.BigEndian.PutUint32(p[1+n:], crc32MPEG(s))
}

// picture writes one access unit that fills so many packets: the first has the clock, the rest is the PES packet.
func (w *tsWriter) picture(packets int, ticks uint64, key bool, frame int) {
	const first, rest = tsPacket - 4 - 8, tsPacket - 4 // the adaptation field with a clock takes eight bytes
	unit := pes(first+(packets-1)*rest, ticks, key, frame)
	for i := range packets {
		control := byte(0x10)
		if i == 0 {
			control = 0x30
		}
		p := w.head(videoPID, 2, i == 0, control)
		if i == 0 {
			p[0], p[1] = 7, 0x10 // adaptation field: a clock, and at a key picture random access
			if key {
				p[1] |= 0x40
			}
			base := ticks - 45000 // half a second before the picture is shown
			binary.BigEndian.PutUint32(p[2:], uint32(base>>1))
			p[6], p[7] = byte(base&1)<<7|0x7E, 0
			p = p[8:]
		}
		unit = unit[copy(p, unit):]
	}
}

// pes is a PES packet of so many bytes (ISO/IEC 13818-1 2.4.3.6).
func pes(size int, ticks uint64, key bool, frame int) []byte {
	b := make([]byte, 0, size)
	b = append(b, 0, 0, 1, 0xE0, 0, 0, 0x84, 0x80, 5,
		0x21|byte(ticks>>29)&0x0E, byte(ticks>>22), 1|byte(ticks>>14)&0xFE, byte(ticks>>7), 1|byte(ticks<<1)&0xFE)
	for _, nal := range pictureNALs(key, frame) {
		b = append(append(b, 0, 0, 0, 1), nal...)
	}
	for len(b) < size {
		b = append(b, fillerByte)
	}
	return b
}

// fillerByte stands for coded pictures. Chosen: it makes no start code.
const fillerByte = 0x5A

// The parameter sets of a stream of 640x360 as x264 writes them: baseline, frame numbers of four bits, pictures shown in the order in which they are coded.
var (
	spsNAL = []byte{0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02, 0x80, 0xBF, 0xE5, 0xC0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xC8, 0x3C, 0x58, 0xBA, 0x80}
	ppsNAL = []byte{0x68, 0xCE, 0x0F, 0xC8}
)

// pictureNALs are the parts of one picture (H.264 7.3.3); the last one is a slice that filler may follow.
func pictureNALs(key bool, frame int) [][]byte {
	delimiter := []byte{0x09, 0xF0}
	if key {
		// macroblock 0, type 7 (I), parameter set 0, frame 0, picture 0, no marking, quality 4, filter 0 0 0
		return [][]byte{delimiter, spsNAL, ppsNAL, {0x65, 0x88, 0x84, 0x11, 0xF1, fillerByte}}
	}
	// macroblock 0, type 5 (P), parameter set 0, the frame's number, references and marking as they are, quality 4, filter 0 0 0
	bits := 0b1_00110_1<<17 | uint32(frame&15)<<13 | 0b0001000<<3 | 0b111
	return [][]byte{delimiter, {0x41, byte(bits >> 16), byte(bits >> 8), byte(bits), fillerByte}}
}

// crc32MPEG is the checksum of tables (ISO/IEC 13818-1 annex A).
func crc32MPEG(b []byte) uint32 {
	crc := ^uint32(0)
	for _, x := range b {
		crc ^= uint32(x) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
