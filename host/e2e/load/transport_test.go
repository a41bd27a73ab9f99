//go:build linux

package load_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/weir-media/weir/sdk/mpegts"
)

// A film as a transport stream (ISO/IEC 13818-1): every frame is a PES packet of framePackets packets, before each key frame stand the tables.
const (
	framePackets = 10
	keyFrames    = 15 // frames from key to key
	videoPID     = 0x100
	tablePID     = 0x1000
	tsNumberAt   = mpegts.PacketSize - 8
)

// tsFilm makes a transport stream. All packets hold their number in their last bytes, behind the stuffing of a table.
func tsFilm(length time.Duration, bitsPerSecond int) *film {
	f := &film{unit: mpegts.PacketSize}
	f.step = time.Duration(mpegts.PacketSize*8) * time.Second / time.Duration(bitsPerSecond)
	n := int(length/f.step) + 1
	var continuity [2]byte
	for frame := 0; f.count() < n; frame++ {
		at := time.Duration(f.count()) * f.step
		if frame%keyFrames == 0 {
			f.table(0, continuity[0], section(0x00, 1, []byte{0, 1, 0xE0 | tablePID>>8, tablePID & 0xFF}))
			// 2.4.4.8: PCR_PID, no descriptors; one stream of type 0x02, MPEG-2 video.
			f.table(tablePID, continuity[0], section(0x02, 1, []byte{0xE0 | videoPID>>8, videoPID & 0xFF, 0xF0, 0, 0x02, 0xE0 | videoPID>>8, videoPID & 0xFF, 0xF0, 0}))
			continuity[0]++
		}
		for i := range framePackets {
			f.picture(i == 0, frame%keyFrames == 0, continuity[1], at)
			continuity[1]++
		}
	}
	return f
}

func (f *film) add(p []byte) {
	putNumber(p, f.count())
	f.units = append(f.units, p...)
}

// putNumber writes a packet's number, seven bits a byte and the eighth set: plain bytes would be a sequence header's start code by and by (0x1B3).
func putNumber(p []byte, n int) {
	for i := range 8 {
		p[tsNumberAt+i] = 0x80 | byte(n>>(7*(7-i)))
	}
}

// numberOf reads what putNumber has written.
func numberOf(p []byte) (n int) {
	for _, b := range p[tsNumberAt:mpegts.PacketSize] {
		n = n<<7 | int(b&0x7F)
	}
	return n
}

// table adds a packet with one section.
func (f *film) table(pid int, continuity byte, s []byte) {
	p := bytes.Repeat([]byte{0xFF}, mpegts.PacketSize)
	copy(p, []byte{0x47, 0x40 | byte(pid>>8), byte(pid), 0x10 | continuity&0x0F, 0})
	copy(p[5:], s)
	f.add(p)
}

// section writes a section in the long syntax (2.4.4.11) with its checksum.
func section(id byte, number uint16, body []byte) []byte {
	s := []byte{id, 0xB0, byte(5 + len(body) + 4), byte(number >> 8), byte(number), 0xC1, 0, 0}
	s = append(s, body...)
	return binary.BigEndian.AppendUint32(s, checksum(s))
}

// checksum is that of 13818-1 annex A.
func checksum(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v) << 24
		for range 8 {
			if c>>31 != 0 {
				c = c<<1 ^ 0x04C11DB7
			} else {
				c <<= 1
			}
		}
	}
	return c
}

// picture adds a packet of a frame; the first one begins the PES packet and says whether it is a random access point.
func (f *film) picture(first, key bool, continuity byte, at time.Duration) {
	p := make([]byte, mpegts.PacketSize)
	scribble(p, uint64(f.count()))
	copy(p, []byte{0x47, videoPID >> 8, videoPID & 0xFF, 0x10 | continuity&0x0F})
	if first {
		p[1] |= 0x40
		p[3] |= 0x20
		p[4], p[5] = 1, 0 // 2.4.3.4: an adaptation field of flags alone
		if key {
			p[5] = 0x40 // random_access_indicator
		}
		copy(p[6:], []byte{0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5}) // 2.4.3.6: PTS only
		pts := uint64(at * 90 / time.Millisecond)
		p[15] = 0x21 | byte(pts>>29)&0x0E
		p[16] = byte(pts >> 22)
		p[17] = byte(pts>>14) | 1
		p[18] = byte(pts >> 7)
		p[19] = byte(pts<<1) | 1
	}
	f.add(p)
}

// overTS is the film for plain viewers of a point that carries a transport stream: the tables, then everything from a key frame on.
func (f *film) overTS(point string) *form {
	const tables = 2 * mpegts.PacketSize
	return &form{name: "ts", request: get("/"+point+".ts", "load") + "\r\n", units: f.units, unit: f.unit, lead: f.unit,
		number: func(lead []byte) int {
			if lead[0] != 0x47 {
				return -1
			}
			return numberOf(lead)
		},
		isKey: func(u []byte) bool { return u[1]&0x40 != 0 && u[3]&0x20 != 0 && u[5]&0x40 != 0 },
		prelude: func(b []byte) (int, error) {
			switch {
			case len(b) < tables:
				return 0, nil
			case !bytes.Equal(b[:tables], f.units[:tables]):
				return 0, errors.New("the stream does not begin with its tables")
			}
			return tables, nil
		}}
}
