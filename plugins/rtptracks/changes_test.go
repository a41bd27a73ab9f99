package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/sdktest"
)

// usualSets are an SPS and a PPS behind start codes.
const usualSets = "\x00\x00\x01\x67\x64\x00\x09\xac\xd9\x42\x84\x7e\x5c\x04\x40\x00\x00\x03\x00\x40\x00\x00\x07\x83\xc4\x89\x65\x80" +
	"\x00\x00\x01\x68\xeb\xe3\xcb\x22\xc0"

// stream writes a transport stream of tracks that a test makes up.
type stream struct {
	mux mpegts.Mux
	ts  []byte
}

// streamOf gives one of these codecs, whose PIDs are those of ffmpeg: 256, 257.
func streamOf(list ...mpegts.Codec) *stream {
	m := new(stream)
	for _, c := range list {
		m.mux.Add(c)
	}
	return m
}

// unit appends a PES packet.
func (m *stream) unit(track int, pts int64, key bool, es []byte) {
	m.ts = m.mux.Begin(m.ts, track, mpegts.Unit{PTS: pts, DTS: pts, Key: key, Size: len(es)})
	m.ts = m.mux.Write(m.ts, track, es)
	m.ts = m.mux.End(m.ts, track)
}

// tablesOf gives PAT and PMT of a programme with these codecs.
func tablesOf(list ...mpegts.Codec) []byte {
	m := streamOf(list...)
	m.unit(0, 90_000, true, []byte{0, 0, 1, 9})
	s := cut(m.ts)
	return s.tables
}

// TestSoundComes: while the parameters of a sound that is new are not known, pictures go on,
// and the header names what goes on.
func TestSoundComes(t *testing.T) {
	s := load(t, "h264.ts")
	both := s.tables
	silent := sample{tables: tablesOf(mpegts.H264), notes: without(s.notes, 257)}
	first, middle, last := silent.notes[:15], silent.notes[15:18], s.notes[18:30]
	silent.notes = first
	r := silent.through(t, 4)
	before := len(r.Packets)
	if len(r.Headers) != 2 || strings.Contains(string(r.Headers[1]), "m=audio") {
		t.Fatalf("headers %q", r.Headers)
	}
	r.Send(&abi.Package{Generation: 2, Header: both})
	r.Send(packets(middle))
	if len(r.Headers) != 2 || len(r.Packets)-before < len(middle)-1 {
		t.Errorf("%d packets where sound comes, headers %q", len(r.Packets)-before, r.Headers[2:])
	}
	r.Send(packets(last))
	if len(r.Headers) != 3 || !bytes.HasPrefix(r.Headers[2], r.Headers[1]) || !strings.Contains(string(r.Headers[2]), "m=audio") {
		t.Errorf("headers %q", r.Headers[2:])
	}
	r.Send(&abi.Package{Generation: 3, Header: silent.tables})
	if len(r.Headers) != 4 || !bytes.Equal(r.Headers[3], r.Headers[1]) {
		t.Errorf("headers %q", r.Headers[3:])
	}
}

// without takes an elementary stream out.
func without(notes []abi.PacketNote, pid uint16) (list []abi.PacketNote) {
	for _, n := range notes {
		var kept []byte
		for b := range slices.Chunk(n.Bytes, mpegts.PacketSize) {
			if e, ok := mpegts.ReadElementary(b); !ok || e.PID != pid {
				kept = append(kept, b...)
			}
		}
		n.Bytes, n.Size = kept, uint32(len(kept))
		list = append(list, n)
	}
	return list
}

// TestSlices: a picture whose slices are a PES packet each is one picture still.
func TestSlices(t *testing.T) {
	const slice = "\x00\x00\x01\x65\x88\x84\x21\xA0"
	sets := usualSets
	m := streamOf(mpegts.H264)
	for i := range int64(4) {
		pts := 90_000 + i*3600
		m.unit(0, pts, i == 0, []byte(sets+slice))
		m.unit(0, pts, i == 0, []byte(slice))
		sets = ""
	}
	s := cut(m.ts)
	h := play(t, s.through(t, 3), []byte{0x12, 0x08})
	marked := 0
	for _, p := range h[pictures].packets {
		if p.Marker {
			marked++
		}
	}
	if got := units(h[pictures].es); len(h[pictures].stamps) != 3 || marked != 3 || len(got) != 3*2 {
		t.Errorf("%d pictures, %d markers, %d slices", len(h[pictures].stamps), marked, len(got))
	}
}

// TestNeverKnown: a point whose parameters do not come in time says what it carries, and
// is described as soon as they come.
func TestNeverKnown(t *testing.T) {
	const second = 90_000
	frame := []byte{0xFF, 0xF1, 0x4C, 0x00, 0x01, 0x7F, 0xFC, 1, 2, 3, 4} // channel configuration 0
	m := streamOf(mpegts.AAC, mpegts.AC3)
	for i := range int64(60) {
		m.unit(0, second+i*second/10, true, bytes.Repeat(frame, 4))
		if i == 50 {
			frame[3] |= 0x80
		}
	}
	s := cut(m.ts)
	for _, most := range []int{1, 7} {
		r := s.through(t, most)
		if len(r.Headers) != 3 || string(r.Headers[0]) != pending || string(r.Headers[1]) != "a=x-carries:aac ac3\r\n" || !strings.HasPrefix(string(r.Headers[2]), "m=audio") {
			t.Errorf("headers %q", r.Headers)
		}
		before := slices.IndexFunc(r.Packets, func(k sdktest.Packet) bool { return k.Flags&abi.PacketKey != 0 })
		if before < 4 || before > 8 {
			t.Errorf("%d packets say that there is nothing", before)
		}
	}
}
