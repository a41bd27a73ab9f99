package mpegts

import (
	"os"
	"path/filepath"
	"testing"
)

var samples = []string{"h264.ts", "mpeg2.ts", "hevc.ts", "audio.ts"}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// each calls f for every packet of b.
func each(b []byte, f func(p []byte)) {
	for n := Whole(b); n > 0; n -= PacketSize {
		f(b[:PacketSize])
		b = b[PacketSize:]
	}
}

// section builds a section of long syntax with its checksum.
func section(table byte, id uint16, version, number, last byte, body ...byte) []byte {
	n := 5 + len(body) + 4
	s := append([]byte{table, 0xB0 | byte(n>>8), byte(n), byte(id >> 8), byte(id), 0xC1 | version<<1, number, last}, body...)
	c := crc32(s)
	return append(s, byte(c>>24), byte(c>>16), byte(c>>8), byte(c))
}

// wrapSections puts bytes that begin with a section into packets of a PID.
func wrapSections(pid uint16, counter *byte, b []byte) []byte {
	var out []byte
	for first := true; first || len(b) > 0; first = false {
		p := make([]byte, PacketSize)
		for i := range p {
			p[i] = 0xFF
		}
		copy(p, []byte{syncByte, byte(pid >> 8), byte(pid), 0x10 | *counter&15})
		*counter++
		at := 4
		if first {
			p[1] |= 0x40
			p[4] = 0
			at++
		}
		b = b[copy(p[at:], b):]
		out = append(out, p...)
	}
	return out
}

// videoPacket builds a packet that begins a PES packet with the elementary bytes.
func videoPacket(pid uint16, counter byte, pts int64, es ...byte) []byte {
	p := make([]byte, PacketSize)
	for i := range p {
		p[i] = 0xFF
	}
	copy(p, []byte{syncByte, 0x40 | byte(pid>>8), byte(pid), 0x10 | counter&15, 0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1})
	var q Patch
	q.stamp(p[13:], pts)
	copy(p[13:], q.raw[:])
	copy(p[18:], es)
	return p
}

// program feeds a PAT and a PMT with the streams {type, pid}.
func setUp(d *Demux, streams ...[2]uint16) Result {
	var pat, pmt byte
	body := []byte{0xE1, 0x00, 0xF0, 0x00}
	for _, s := range streams {
		body = append(body, byte(s[0]), 0xE0|byte(s[1]>>8), byte(s[1]), 0xF0, 0)
	}
	d.Feed(wrapSections(0, &pat, section(0, 1, 0, 0, 0, 0, 1, 0xF0, 0x00)))
	return d.Feed(wrapSections(0x1000, &pmt, section(2, 1, 0, 0, 0, body...)))
}
