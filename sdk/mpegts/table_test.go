package mpegts

import (
	"bytes"
	"slices"
	"testing"
)

func TestPSI(t *testing.T) {
	b := read(t, "h264.ts")
	var d Demux
	if d.PSI() != nil || d.Ready() {
		t.Error("tables of nothing")
	}
	d.Feed(b[:188])    // SDT
	d.Feed(b[188:376]) // PAT
	if d.PSI() != nil || d.Ready() {
		t.Error("PAT alone is not enough")
	}
	if r := d.Feed(b[376:564]); !r.PSI || !r.Changed || r.Kind != Table {
		t.Errorf("%+v", r)
	}
	if !bytes.Equal(d.PSI(), b[188:564]) {
		t.Error("tables differ")
	}
	last := slices.Clone(d.PSI())
	each(b[564:], func(p []byte) {
		r := d.Feed(p)
		if !r.PSI {
			return
		}
		copy(last[188*min(1, int(r.PID)):], p)
	})
	if !bytes.Equal(d.PSI(), last) || bytes.Equal(last, b[188:564]) {
		t.Error("continuity counters should be the last ones received")
	}
}

func TestLongPMT(t *testing.T) {
	var d Demux
	var pat, pmt byte
	d.Feed(wrapSections(0, &pat, section(0, 1, 0, 0, 0, 0, 1, 0xF0, 0x00)))
	body := append([]byte{0xE1, 0x00, 0xF0, 200}, make([]byte, 200)...)
	for i := range 40 { // more than are kept
		body = append(body, 0x0F, 0xE2, byte(i), 0xF0, 6, 0x0A, 4, 'd', 'e', 'u', 0)
	}
	s := section(2, 1, 0, 0, 0, body...)
	b := wrapSections(0x1000, &pmt, s)
	if len(b) != 4*PacketSize {
		t.Fatalf("%d bytes", len(b))
	}
	for range 2 {
		for i := 0; i < len(b); i += PacketSize {
			// What stands between the packets of a section does not matter.
			d.Feed(wrapSections(0, &pat, section(0, 1, 0, 0, 0, 0, 1, 0xF0, 0x00)))
			d.Feed(videoPacket(0x1FFF, 0, 0))
			if r := d.Feed(b[i : i+PacketSize]); r.Changed && i != 3*PacketSize {
				t.Fatalf("complete at %d", i)
			}
			state, _ := d.AppendBinary(nil)
			if len(state) > MaxStateSize {
				t.Fatalf("state of %d bytes", len(state))
			}
			if err := d.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.Streams()) != MaxStreams || len(d.PSI()) != 5*PacketSize || !bytes.Equal(d.PSI()[PacketSize:], b) {
			t.Errorf("%d streams, %d bytes of tables", len(d.Streams()), len(d.PSI()))
		}
		d.Reset()
		pmt = 0
	}
	// A missing packet, and one too many.
	d.Feed(wrapSections(0, &pat, section(0, 1, 0, 0, 0, 0, 1, 0xF0, 0x00)))
	d.Feed(b[:188])
	if r := d.Feed(b[376:564]); !r.Gap {
		t.Error("gap not seen")
	}
	d.Feed(b[564:])
	if d.Ready() {
		t.Error("a section with a hole was taken")
	}
	body = append(body, make([]byte, 300)...)
	b = wrapSections(0x1000, &pmt, section(2, 1, 0, 0, 0, body...))
	each(b, func(p []byte) { d.Feed(p) })
	if d.Ready() {
		t.Errorf("a PMT of %d packets was taken", len(b)/PacketSize)
	}
}

func TestSplitSections(t *testing.T) {
	one := section(0, 1, 0, 0, 0, 0, 0, 0xE0, 0x10, 0, 1, 0xF0, 0x00)
	for fill := 1; fill < len(one); fill++ { // bytes of the PAT in the first packet
		// Stuffing sections of another table come before, so that the PAT straddles.
		other := section(0x42, 1, 0, 0, 0, make([]byte, 184-1-12-fill)...)
		stream := append(slices.Clone(other), one...)
		first := make([]byte, PacketSize)
		copy(first, []byte{syncByte, 0x40, 0, 0x10, 0})
		n := copy(first[5:], stream)
		second := make([]byte, PacketSize)
		for i := range second {
			second[i] = 0xFF
		}
		copy(second, []byte{syncByte, 0x40, 0, 0x11, byte(len(stream) - n)})
		copy(second[5:], stream[n:])
		var d Demux
		d.Feed(first)
		state, _ := d.AppendBinary(nil)
		if err := d.UnmarshalBinary(state); err != nil {
			t.Fatal(err)
		}
		d.Feed(second)
		if !d.program.known || d.program.pid != 0x1000 || d.tables != 1 {
			t.Fatalf("fill %d: PAT not found", fill)
		}
		var again Demux
		again.Feed(d.psi[:PacketSize])
		if again.program.pid != 0x1000 {
			t.Fatalf("fill %d: the PAT for players is not valid", fill)
		}
	}
}

func TestProgrammeChanges(t *testing.T) {
	var d Demux
	if r := setUp(&d, [2]uint16{0x1B, 0x100}, [2]uint16{0x0F, 0x101}); !r.Changed {
		t.Fatalf("%+v", r)
	}
	d.Feed(videoPacket(0x100, 7, 0))
	if r := setUp(&d, [2]uint16{0x1B, 0x100}, [2]uint16{0x0F, 0x101}); r.Changed || !r.PSI || !r.Repeat {
		t.Errorf("same tables: %+v", r)
	}
	pmt := byte(1)
	p := wrapSections(0x1000, &pmt, section(2, 1, 1, 0, 0, 0xE1, 0, 0xF0, 0, 0x0F, 0xE1, 1, 0xF0, 0))
	bad := slices.Clone(p)
	bad[20]++
	if r := d.Feed(bad); r.Changed {
		t.Error("bad checksum was taken")
	}
	pmt = 2
	p = wrapSections(0x1000, &pmt, section(2, 1, 1, 0, 0, 0xE1, 0, 0xF0, 0, 0x0F, 0xE1, 1, 0xF0, 0))
	if r := d.Feed(p); !r.Changed || r.Gap {
		t.Errorf("new version: %+v", r)
	}
	if pid, kind := d.Main(); pid != 0x101 || kind != Audio {
		t.Errorf("main %d %v", pid, kind)
	}
	other := section(2, 7, 0, 0, 0, 0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 1, 0xF0, 0)
	if r := d.Feed(wrapSections(0x1000, &pmt, other)); r.Changed {
		t.Error("another programme's PMT was taken")
	}
	pat := byte(1)
	d.Feed(wrapSections(0, &pat, section(0, 1, 1, 0, 0, 0, 5, 0xF0, 0x01)))
	if d.Ready() || d.program.pid != 0x1001 {
		t.Error("the programme is gone")
	}
	// Two programmes: the one that is followed stays.
	d.Feed(wrapSections(0, &pat, section(0, 1, 2, 0, 0, 0, 4, 0xF0, 0x02, 0, 5, 0xF0, 0x01)))
	if d.program.pid != 0x1001 {
		t.Error("the first programme was preferred to the followed one")
	}
}

func TestPrivateStreams(t *testing.T) {
	var d Demux
	var pat, pmt byte
	d.Feed(wrapSections(0, &pat, section(0, 1, 0, 0, 0, 0, 1, 0xF0, 0x00)))
	body := []byte{0xE1, 0, 0xF0, 0}
	for i, desc := range []string{"\x05\x04Opus", "\x6A\x00", "\x7B\x00", "\x0A\x04deu\x00\x7C\x00", "\x05\x04HEVC", "\x05\x04VC-1", "\x59\x00", "\x05\x09", "\x05\x02ab"} {
		body = append(body, 0x06, 0xE1, byte(i), 0xF0, byte(len(desc)))
		body = append(body, desc...)
	}
	d.Feed(wrapSections(0x1000, &pmt, section(2, 1, 0, 0, 0, body...)))
	var got []Codec
	for _, s := range d.Streams() {
		got = append(got, s.Codec)
	}
	want := []Codec{Opus, AC3, DTS, AAC, H265, VC1, UnknownCodec, UnknownCodec, UnknownCodec}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if pid, kind := d.Main(); pid != 0x104 || kind != Video {
		t.Errorf("main %d %v", pid, kind)
	}
}
