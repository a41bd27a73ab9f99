package asf

import (
	"bytes"
	"testing"
)

func FuzzHeader(f *testing.F) {
	for _, name := range samples {
		f.Add(load(f, name).header)
	}
	h := load(f, "wmv2.asfstream").header
	f.Add(withExtension(h, extended(9, nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, need, err := HeaderSize(b)
		if err != nil && (n != 0 || need != 0) || need < 0 || n != 0 && need != max(0, n-len(b)) {
			t.Fatal(n, need, err)
		}
		h, err := ParseHeader(b)
		if err != nil {
			if out := Broadcast(nil, b, [16]byte{}); len(out) != 0 || Compatible(b, b) {
				t.Fatal("bad header was used")
			}
			return
		}
		if h.Size != n || h.StreamCount < 1 || h.PacketSize < MinPacketSize || h.PacketSize > MaxPacketSize {
			t.Fatalf("%+v", h)
		}
		out := Broadcast(nil, b, [16]byte{1})
		got, err := ParseHeader(out)
		if err != nil || len(out) != n || got.Streams != h.Streams || !Compatible(b, out) {
			t.Fatal("broadcast form differs")
		}
	})
}

func FuzzPacket(f *testing.F) {
	for _, name := range samples {
		s := load(f, name)
		for i := 0; i < len(s.packets); i += 5 {
			f.Add(s.packets[i], uint16(s.h.PacketSize))
		}
	}
	f.Add(unhex(f, "820000 005D 10000000 2E00 83 01 1C0C0000 01 28 02AABB 01CC"), uint16(24))
	f.Add(unhex(f, "5A76 2800 09 04000000 01000000 0200 04 78563412 05 0A00 0A000000 0B000000 7777 AABBCC 00000000"), uint16(48))
	var p, q Packet
	var patches Patches
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		packetSize := int(size)
		if packetSize > MaxPacketSize || ParsePacket(b, packetSize, &p) != nil {
			return
		}
		if p.PaddingAt > len(b) || p.SendTimeAt+6 > p.PaddingAt || p.Count < 1 {
			t.Fatalf("%+v", p)
		}
		at := p.SendTimeAt
		_ = Rebase(&p, 12345, &patches)
		for i, q := range patches.List() {
			if i > 0 && q.At < at+4 || q.At+4 > p.PaddingAt {
				t.Fatalf("patches %v", patches.List())
			}
			at = q.At
		}
		at = p.SendTimeAt + 6
		for i := range p.List() {
			l := &p.Payloads[i]
			if l.Start < at || l.End < l.Start || l.End > p.PaddingAt || l.Stream == 0 {
				t.Fatalf("%+v", l)
			}
			at = l.End
		}
		full := AppendFull(nil, b, packetSize, &p)
		if len(full) != packetSize {
			t.Fatalf("%d bytes, want %d", len(full), packetSize)
		}
		if err := ParsePacket(full, packetSize, &q); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(full[q.SendTimeAt:q.PaddingAt], b[p.SendTimeAt:p.PaddingAt]) {
			t.Fatal("filled packet differs")
		}
		bared(t, b, packetSize)
	})
}

func FuzzFraming(f *testing.F) {
	s := load(f, "wmv2.asfstream")
	f.Add(read(f, "wmv2.asfstream")[:1000], false)
	f.Add(pushed(f, s)[:1000], true)
	f.Add(read(f, "wmv2-pipe.asf")[:100], true)
	f.Fuzz(func(t *testing.T, b []byte, push bool) {
		l, need := Sniff(b)
		if need < 0 || need > 0 && l != LayoutUnknown {
			t.Fatal(l, need)
		}
		PlainEnd(b)
		IsIndex(b)
		layout := FramedMMS
		if push {
			layout = FramedPush
		}
		c, need, err := ParseChunk(b, layout)
		if err == nil && need == 0 && (c.Payload > c.Size || c.Payload > len(b) || c.Payload < 4) || need < 0 || need > 12 {
			t.Fatalf("%+v %d", c, need)
		}
	})
}
