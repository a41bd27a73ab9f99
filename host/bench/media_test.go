package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// near says whether a size is within two in a hundred of what a rate gives.
func near(size int, kbit float64, seconds int) bool {
	want := kbit * 1000 / 8 * float64(seconds)
	return math.Abs(float64(size)-want) < want/50
}

func TestTransportStream(t *testing.T) {
	for _, kbit := range []int{100, 1000, 4000} {
		b := tsFile(kbit, 10)
		if !near(len(b), float64(kbit)*6/7, 10) {
			t.Errorf("%d kbit/s: %d bytes in 10 s", kbit, len(b))
		}
		counters := map[uint16]byte{}
		for i := 0; i < len(b); i += tsPacket {
			p := b[i : i+tsPacket]
			pid := binary.BigEndian.Uint16(p[1:]) & 0x1FFF
			if last, seen := counters[pid]; p[0] != 0x47 || seen && p[3]&15 != (last+1)&15 {
				t.Fatalf("%d kbit/s: packet %d, PID %d: %x follows counter %d", kbit, i/tsPacket, pid, p[:4], last)
			}
			counters[pid] = p[3] & 15
		}
		if len(counters) != 3 {
			t.Errorf("%d kbit/s: PIDs and their counters: %v", kbit, counters)
		}
	}
	// A table with its checksum has the checksum 0 (ISO/IEC 13818-1 annex A).
	if crc := crc32MPEG(binary.BigEndian.AppendUint32(bytes.Clone(patSection), crc32MPEG(patSection))); crc != 0 {
		t.Errorf("checksum of a whole table: %#x", crc)
	}
}

func TestFLV(t *testing.T) {
	for _, kbit := range []int{100, 1000, 4000} {
		b := flvFile(kbit, 10)
		if !near(len(b), float64(kbit), 10) {
			t.Errorf("%d kbit/s: %d bytes in 10 s", kbit, len(b))
		}
		last, kinds := uint32(0), map[byte]int{}
		for p := 13; p < len(b); { // FLV E.4.1
			n := int(b[p+1])<<16 | int(b[p+2])<<8 | int(b[p+3])
			ms := uint32(b[p+4])<<16 | uint32(b[p+5])<<8 | uint32(b[p+6]) | uint32(b[p+7])<<24
			if p+n+15 > len(b) || ms+50 < last || binary.BigEndian.Uint32(b[p+11+n:]) != uint32(n+11) {
				t.Fatalf("%d kbit/s: tag at %d: %d bytes at %d ms behind %d ms", kbit, p, n, ms, last)
			}
			kinds[b[p]]++
			last = ms
			p += n + 15
		}
		if kinds[9] != 251 || kinds[8] < 460 || len(kinds) != 2 {
			t.Errorf("%d kbit/s: tags %v", kbit, kinds)
		}
	}
}

func TestASFPacket(t *testing.T) {
	h, err := asf.ParseHeader(sample.Demo())
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, h.PacketSize)
	asfPacket(p, 7, 1234, uint32(h.Preroll), 2, true)
	var parsed asf.Packet
	if err := asf.ParsePacket(p, h.PacketSize, &parsed); err != nil {
		t.Fatal(err)
	}
	l := parsed.Payloads[0]
	if parsed.Count != 1 || parsed.SendTime != 1234 || l.Stream != 2 || !l.Key || l.Time != 1234+uint32(h.Preroll) || !bytes.HasPrefix(p[l.Start:], []byte("LMTS")) {
		t.Errorf("%d payloads at %d ms: %+v", parsed.Count, parsed.SendTime, l)
	}
}
