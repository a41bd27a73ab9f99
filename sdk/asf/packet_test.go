package asf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type object struct {
	key  bool
	time uint32
	size uint32
	have uint32
}

// objects joins the payloads of a stream number and checks that fragments follow each
// other.
func objects(t *testing.T, s stream, number uint8) []object {
	t.Helper()
	var all []object
	var p Packet
	for i, b := range s.packets {
		if err := ParsePacket(b, s.h.PacketSize, &p); err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		for _, l := range p.List() {
			if l.Stream != number {
				continue
			}
			if l.Offset == 0 {
				all = append(all, object{l.Key, l.Time, l.ObjectSize, 0})
			}
			o := &all[len(all)-1]
			if l.Offset != o.have || l.Time != o.time || l.ObjectSize != o.size {
				t.Fatalf("packet %d: fragment %+v of %+v", i, l, *o)
			}
			o.have += uint32(l.End - l.Start)
		}
	}
	return all
}

func TestSamplePackets(t *testing.T) {
	for _, c := range []struct {
		name         string
		video, audio uint8
		packets      int
	}{
		{"wmv2.asfstream", 1, 2, 16},
		{"wmv2-pipe.asf", 1, 2, 16},
		{"file-1400.asf", 1, 2, 36},
		{"msmpeg4.asfstream", 1, 0, 25},
		{"audio.asfstream", 0, 1, 3},
	} {
		s := load(t, c.name)
		if len(s.packets) != c.packets {
			t.Errorf("%s: %d packets", c.name, len(s.packets))
		}
		if c.video != 0 {
			all := objects(t, s, c.video)
			if len(all) != 30 {
				t.Errorf("%s: %d frames", c.name, len(all))
			}
			for i, o := range all {
				if o.size != o.have || o.key != (i%10 == 0) || o.time < 3100 || o.time > 3100+2000+67 {
					t.Errorf("%s: frame %d: %+v", c.name, i, o)
				}
			}
		}
		if c.audio != 0 {
			all := objects(t, s, c.audio)
			if len(all) < 40 {
				t.Errorf("%s: %d audio objects", c.name, len(all))
			}
			for i, o := range all {
				if o.size != o.have {
					t.Errorf("%s: audio %d: %+v", c.name, i, o)
				}
			}
		}
	}
}

func TestKeyAt(t *testing.T) {
	var p Packet
	s := load(t, "wmv2.asfstream")
	keys := 0
	for _, b := range s.packets {
		if err := ParsePacket(b, s.h.PacketSize, &p); err != nil {
			t.Fatal(err)
		}
		if KeyAt(s.h.Set(Video), &p) {
			keys++
		}
		if KeyAt(s.h.Set(Audio), &p) {
			t.Error("ffmpeg sets no key bit for audio")
		}
		if !KeyAt(StreamSet{}, &p) {
			t.Error("without video every packet is a join point")
		}
	}
	if keys != 3 {
		t.Errorf("%d key packets", keys)
	}
	if ms, ok := p.FirstTime(StreamSet{}); !ok || ms < 3100 {
		t.Errorf("first time %d %v", ms, ok)
	}
	if _, ok := p.FirstTime(StreamSet{8}); ok {
		t.Error("no stream 3 here")
	}
}

// TestGoldenPackets spells out each form of packet. Offsets are counted by hand.
func TestGoldenPackets(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		size      int // packet size of the header
		want      Packet
		payloads  []Payload
	}{
		{
			"two payloads, as ffmpeg sends them",
			"820000 015D 10000000 2E00 82 02010000000008 04000000 1C0C0000 0400 AABBCCDD 81050000000008 09000000 5F0C0000 0200 EEFF 0000",
			54, Packet{SendTime: 16, Duration: 46, SendTimeAt: 5, PaddingAt: 52},
			[]Payload{
				{Stream: 2, HasTime: true, Object: 1, ObjectSize: 4, Time: 3100, TimeAt: 23, Start: 29, End: 33},
				{Stream: 1, Key: true, HasTime: true, Object: 5, ObjectSize: 9, Time: 3167, TimeAt: 44, Start: 50, End: 52},
			},
		},
		{
			"one payload, word padding, no error correction",
			"105D 0300 E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC 000000",
			31, Packet{SendTime: 1000, SendTimeAt: 4, PaddingAt: 28},
			[]Payload{{Stream: 1, Key: true, HasTime: true, Object: 7, Offset: 64, ObjectSize: 128, Time: 2000, TimeAt: 21, Start: 25, End: 28}},
		},
		{
			"the same, tail of zeros cut off",
			"105D 0300 E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",
			31, Packet{SendTime: 1000, SendTimeAt: 4, PaddingAt: 28},
			[]Payload{{Stream: 1, Key: true, HasTime: true, Object: 7, Offset: 64, ObjectSize: 128, Time: 2000, TimeAt: 21, Start: 25, End: 28}},
		},
		{
			"one payload, padding stripped",
			"820000 005D E8030000 0000 81 07 40000000 08 80000000 D0070000 AABBCC",
			3200, Packet{SendTime: 1000, SendTimeAt: 5, PaddingAt: 29},
			[]Payload{{Stream: 1, Key: true, HasTime: true, Object: 7, Offset: 64, ObjectSize: 128, Time: 2000, TimeAt: 22, Start: 26, End: 29}},
		},
		{
			"compressed",
			"820000 005D 10000000 2E00 83 01 1C0C0000 01 28 02AABB 01CC",
			24, Packet{SendTime: 16, Duration: 46, SendTimeAt: 5, PaddingAt: 24},
			[]Payload{{Stream: 3, Key: true, HasTime: true, Compressed: true, Step: 40, Object: 1, Time: 3100, TimeAt: 13, Start: 19, End: 24}},
		},
		{
			"compressed, time of two bytes",
			"8110 0059 10000000 2E00 03 01 1C0C 01 28 01CC",
			18, Packet{SendTime: 16, Duration: 46, SendTimeAt: 4, PaddingAt: 18},
			[]Payload{{Stream: 3, HasTime: true, Compressed: true, Step: 40, Object: 1, Time: 3100, Start: 16, End: 18}},
		},
		{
			"every length field, of unusual width",
			"5A76 2800 09 04000000 01000000 0200 04 78563412 05 0A00 0A000000 0B000000 7777 AABBCC 00000000 0000000000000000",
			48, Packet{SendTime: 1, Duration: 2, SendTimeAt: 9, PaddingAt: 36},
			[]Payload{{Stream: 4, HasTime: true, Object: 0x12345678, Offset: 5, ObjectSize: 10, Time: 11, TimeAt: 27, Start: 33, End: 36}},
		},
		{
			"no replicated data",
			"820000 005D 10000000 2E00 03 01 05000000 00 AABB",
			20, Packet{SendTime: 16, Duration: 46, SendTimeAt: 5, PaddingAt: 20},
			[]Payload{{Stream: 3, Object: 1, Offset: 5, Start: 18, End: 20}},
		},
	} {
		b := unhex(t, c.hex)
		var p Packet
		if err := ParsePacket(b, c.size, &p); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		w := c.want
		if p.SendTime != w.SendTime || p.Duration != w.Duration || p.SendTimeAt != w.SendTimeAt || p.PaddingAt != w.PaddingAt || p.Size != len(b) {
			t.Errorf("%s: send %d at %d, duration %d, padding at %d", c.name, p.SendTime, p.SendTimeAt, p.Duration, p.PaddingAt)
		}
		if !slices.Equal(p.List(), c.payloads) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, p.List(), c.payloads)
		}
	}
}

func TestNextSub(t *testing.T) {
	b := unhex(t, "820000 005D 10000000 2E00 83 01 1C0C0000 01 28 02AABB 00 01CC")
	var p Packet
	if err := ParsePacket(b, len(b), &p); err != nil {
		t.Fatal(err)
	}
	var got []string
	l := p.Payloads[0]
	for at := l.Start; at < l.End; {
		start, stop := NextSub(b, at, l.End)
		got = append(got, hex.EncodeToString(b[start:stop]))
		at = stop
	}
	if want := []string{"aabb", "", "cc"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if start, stop := NextSub(b, l.End, l.End); start != l.End || stop != l.End {
		t.Error("nothing follows the end")
	}
}

func TestPacketErrors(t *testing.T) {
	good := unhex(t, "820000 015D 10000000 2E00 81 02010000000008 04000000 1C0C0000 0400 AABBCCDD")
	var p Packet
	if err := ParsePacket(good, len(good), &p); err != nil {
		t.Fatal(err)
	}
	if err := ParsePacket(good, len(good)-1, &p); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for n := range good {
		if err := ParsePacket(good[:n], 3200, &p); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, c := range []struct {
		name string
		at   int
		b    byte
		want error
	}{
		{"opaque", 0, 0x92, ErrMalformed},
		{"correction length type", 0, 0xA2, ErrMalformed},
		{"flags bit 7", 3, 0x81, ErrMalformed},
		{"stream number type", 4, 0x1D, ErrMalformed},
		{"no payloads", 11, 0x80, ErrMalformed},
		{"payload length type", 11, 0x01, ErrMalformed},
		{"stream 0", 12, 0x80, ErrMalformed},
		{"replicated 7", 18, 7, ErrMalformed},
		{"replicated 255", 18, 255, ErrTruncated},
		{"payload too long", 27, 5, ErrTruncated},
	} {
		b := bytes.Clone(good)
		b[c.at] = c.b
		if err := ParsePacket(b, len(b), &p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		name, hex string
		want      error
	}{
		{"padding over the packet", "820000 095D FF 10000000 2E00 02010000000008 04000000 1C0C0000 AABB", ErrMalformed},
		{"padding over the payload", "820000 095D 1C 10000000 2E00 02010000000008 04000000 1C0C0000 AABB", ErrTruncated},
		{"length 0", "820000 215D 00 10000000 2E00 02010000000008 04000000 1C0C0000 AABB", ErrMalformed},
		{"length over the packet size", "820000 215D FF 10000000 2E00 02010000000008 04000000 1C0C0000 AABB", ErrMalformed},
		{"length under its padding", "820000 295D 05 06 10000000 2E00 02010000000008 04000000 1C0C0000 AABB", ErrMalformed},
		{"length behind the end", "820000 215D 3F 10000000 2E00 02010000000008 04000000 1C0C0000 AABB", ErrTruncated},
		{"compressed, object over the end", "820000 005D 10000000 2E00 0201 1C0C0000 01 28 02AABB 03CC", ErrTruncated},
	} {
		b := unhex(t, c.hex)
		if err := ParsePacket(b, 64, &p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestPacketAllocates(t *testing.T) {
	s := load(t, "wmv2.asfstream")
	var p Packet
	var patches Patches
	video := s.h.Set(Video)
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range s.packets {
			if err := ParsePacket(b, s.h.PacketSize, &p); err != nil {
				t.Fatal(err)
			}
			KeyAt(video, &p)
			f := p.Fill(b, s.h.PacketSize)
			if err := Rebase(&p, 1000, &patches); err != nil || len(f.Bytes()) != 0 {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParsePacket(b *testing.B) {
	s := load(b, "wmv2.asfstream")
	var p Packet
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := ParsePacket(s.packets[i%len(s.packets)], s.h.PacketSize, &p); err != nil {
			b.Fatal(err)
		}
	}
}
