package asf

import (
	"bytes"
	"testing"
)

// bared gives the packet as Bare plans it, and checks that nothing but padding is gone.
func bared(t *testing.T, packet []byte, packetSize int) []byte {
	t.Helper()
	var p, q Packet
	if err := ParsePacket(packet, packetSize, &p); err != nil {
		t.Fatal(err)
	}
	f := p.Bare(packet, packetSize)
	out := append(bytes.Clone(f.Bytes()), packet[f.From:f.To]...)
	if len(out) != f.Size() || len(out) > len(packet)+2 {
		t.Fatalf("%d bytes of %d, %d planned", len(out), len(packet), f.Size())
	}
	if err := ParsePacket(out, packetSize+2, &q); err != nil {
		t.Fatal(err)
	}
	if q.PaddingAt != len(out) || q.SendTime != p.SendTime || q.Duration != p.Duration || q.Count != p.Count {
		t.Fatalf("%+v is not %+v", q, p)
	}
	for i := range p.List() {
		a, b := &p.Payloads[i], &q.Payloads[i]
		if a.Stream != b.Stream || a.Offset != b.Offset || a.ObjectSize != b.ObjectSize || !bytes.Equal(packet[a.Start:a.End], out[b.Start:b.End]) {
			t.Fatalf("payload %d: %+v is not %+v", i, b, a)
		}
	}
	return out
}

func TestBareSamples(t *testing.T) {
	whole, short := 0, 0
	for _, name := range samples {
		s := load(t, name)
		for _, b := range s.packets {
			if out := bared(t, b, s.h.PacketSize); len(out) == len(b) {
				whole++
			} else {
				short++
			}
		}
	}
	if whole < 15 || short < 15 {
		t.Errorf("%d packets without padding, %d with", whole, short)
	}
}

func TestBareForms(t *testing.T) {
	const body = "E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC"
	for packet, want := range map[string]string{
		"820000 005D" + body:                       "820000 005D" + body,           // full
		"820000 085D 00" + body:                    "820000 085D 00" + body,        // and says so
		"820000 085D 03" + body + "000000":         "820000 405D 1F00" + body,      // padding
		"820000 105D 0300" + body + "000000":       "820000 405D 1F00" + body,      // in two bytes
		"085D 03" + body + "000000":                "405D 1C00" + body,             // no error correction
		"820000 0C5D 0500 03" + body + "000000":    "820000 445D 2100 0500" + body, // a sequence
		"820000 285D 22 03" + body + "000000 0000": "820000 405D 1F00" + body,      // a length, and padding behind it too
		"820000 205D 1E" + body + "00":             "820000 405D 1F00" + body,      // a length alone
		"820000 095D 02 E8030000 0000 81 81 07 40000000 08 80000000 D0070000 0300 AABBCC 0000": "820000 415D 2200 E8030000 0000 81 81 07 40000000 08 80000000 D0070000 0300 AABBCC", // multiple
	} {
		b := unhex(t, packet)
		if got := bared(t, b, len(b)); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s:\n got %X\nwant %s", packet, got, want)
		}
	}
}
