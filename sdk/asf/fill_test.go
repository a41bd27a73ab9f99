package asf

import (
	"bytes"
	"errors"
	"testing"
)

// strip removes the padding of a parsed packet as MS-WMSP 2.2.3.3 asks, keeping any
// packet length out of the way of the test.
func strip(b []byte, p *Packet) []byte {
	l := &p.lead
	out := append(bytes.Clone(b[:l.correction]), l.flags&^0x18, l.property)
	if l.flags>>5&3 != 0 || l.flags>>1&3 != 0 {
		panic("sample with a packet length or a sequence")
	}
	return append(out, b[p.SendTimeAt:p.PaddingAt]...)
}

// same checks that two packets differ in their padding only.
func same(t *testing.T, a, b []byte, size int) {
	t.Helper()
	var p, q Packet
	if err := errors.Join(ParsePacket(a, size, &p), ParsePacket(b, size, &q)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a[p.SendTimeAt:p.PaddingAt], b[q.SendTimeAt:q.PaddingAt]) || p.Count != q.Count {
		t.Fatalf("packets differ:\n%x\n%x", a, b)
	}
	if x, y := &p.Payloads[p.Count-1], &q.Payloads[q.Count-1]; y.End-y.Start != x.End-x.Start {
		t.Fatalf("last payload has %d bytes, want %d", y.End-y.Start, x.End-x.Start)
	}
}

func TestFillSamples(t *testing.T) {
	stripped := 0
	for _, name := range samples {
		s := load(t, name)
		var p Packet
		for _, b := range s.packets {
			if err := ParsePacket(b, s.h.PacketSize, &p); err != nil {
				t.Fatal(err)
			}
			if f := p.Fill(b, s.h.PacketSize); !f.Whole() || f.From != 0 || f.To != len(b) || f.Zeros != 0 || !p.ZeroFill(s.h.PacketSize) {
				t.Fatalf("%s: fill of a full packet %+v", name, f)
			}
			short := strip(b, &p)
			if len(short) == len(b) {
				continue
			}
			stripped++
			if err := ParsePacket(short, s.h.PacketSize, &p); err != nil {
				t.Fatal(err)
			}
			full := AppendFull(nil, short, s.h.PacketSize, &p)
			if len(full) != s.h.PacketSize {
				t.Fatalf("%s: %d bytes", name, len(full))
			}
			same(t, b, full, s.h.PacketSize)
		}
	}
	if stripped < 15 {
		t.Errorf("only %d packets had padding", stripped)
	}
}

// TestFillGaps fills a single-payload packet from each smaller size.
func TestFillGaps(t *testing.T) {
	for _, head := range []string{
		"820000 005D E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",
		"820000 045D 0500 E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",    // sequence
		"820000 085D 00 E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",      // padding 0
		"820000 205D 1E E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",      // packet length
		"820000 285D 22 03 E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",   // and padding, cut off
		"820000 015D E8030000 0000 81 81 07 40000000 08 80000000 D0070000 0300 AABBCC", // multiple
	} {
		b := unhex(t, head)
		for size := 48; size < 700; size++ {
			var p Packet
			if err := ParsePacket(b, size, &p); err != nil {
				t.Fatal(head, err)
			}
			full := AppendFull(nil, b, size, &p)
			if len(full) != size {
				t.Fatalf("%s: %d bytes, want %d", head, len(full), size)
			}
			same(t, b, full, size)
			if p.ZeroFill(size) {
				same(t, b, append(bytes.Clone(b), make([]byte, size-len(b))...), size)
			}
		}
		var p Packet
		for size := max(34, len(b)+1); size < len(b)+5; size++ { // one states a length of 34
			if err := ParsePacket(b, size, &p); err != nil {
				t.Fatal(err)
			}
			same(t, b, AppendFull(nil, b, size, &p), size)
		}
	}
}

func TestRebase(t *testing.T) {
	for _, name := range samples {
		s := load(t, name)
		var p, q Packet
		var patches Patches
		for _, b := range s.packets {
			for _, delta := range []int64{0, 1, -1, 40, 1 << 31, -5000, 1<<32 + 7, 3_600_000} {
				if err := ParsePacket(b, s.h.PacketSize, &p); err != nil {
					t.Fatal(err)
				}
				if err := Rebase(&p, delta, &patches); err != nil {
					t.Fatal(err)
				}
				moved := bytes.Clone(b)
				ApplyPatches(moved, patches.List())
				if err := ParsePacket(moved, s.h.PacketSize, &q); err != nil {
					t.Fatal(err)
				}
				if q.SendTime != p.SendTime+uint32(delta) || len(patches.List()) != 1+p.Count {
					t.Fatalf("send time %d, %d patches", q.SendTime, len(patches.List()))
				}
				for i := range p.List() {
					want := p.Payloads[i]
					want.Time += uint32(delta)
					if q.Payloads[i] != want {
						t.Fatalf("payload %+v, want %+v", q.Payloads[i], want)
					}
				}
			}
		}
	}
}

func TestRebaseNarrow(t *testing.T) {
	b := unhex(t, "8110 0059 10000000 2E00 03 01 1C0C 01 28 01CC")
	var p Packet
	var patches Patches
	if err := ParsePacket(b, len(b), &p); err != nil {
		t.Fatal(err)
	}
	if err := Rebase(&p, 5, &patches); !errors.Is(err, ErrNarrow) || len(patches.List()) != 1 || patches.List()[0] != (Patch{4, [4]byte{21}}) {
		t.Errorf("%v, %+v", err, patches.List())
	}
}

func TestExtend(t *testing.T) {
	for _, c := range []struct {
		last int64
		ms   uint32
		want int64
	}{
		{0, 5, 5},
		{5, 3, 3},
		{1<<32 - 10, 20, 1<<32 + 20},
		{1<<32 + 20, 1<<32 - 10, 1<<32 - 10},
		{3 << 32, 1 << 30, 3<<32 + 1<<30},
	} {
		if got := Extend(c.last, c.ms); got != c.want {
			t.Errorf("%d, %d: %d, want %d", c.last, c.ms, got, c.want)
		}
	}
}
