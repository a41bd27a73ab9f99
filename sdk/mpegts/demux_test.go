package mpegts

import (
	"slices"
	"testing"
)

// tally is what a relay sees of a whole sample.
type tally struct {
	cuts, keys, changed int
	first, last         int64 // DTS of the main stream
}

func count(t *testing.T, name string, d *Demux, b []byte) (n tally) {
	t.Helper()
	each(b, func(p []byte) {
		r := d.Feed(p)
		if r.Broken || r.Gap || r.Repeat || r.Key && !r.Cut || r.Cut && (!r.HasTime || r.PTS < r.DTS) {
			t.Fatalf("%s: %+v", name, r)
		}
		if r.Changed {
			n.changed++
		}
		if !r.Cut {
			return
		}
		if n.cuts++; n.cuts == 1 {
			n.first = r.DTS
		}
		if n.last = r.DTS; r.Key {
			n.keys++
		}
		if kind := d.Streams()[0].Kind; r.Kind != kind || r.Video() != (kind == Video) {
			t.Fatalf("%s: %+v", name, r)
		}
	})
	return n
}

func TestSamples(t *testing.T) {
	for _, c := range []struct {
		name    string
		want    tally // as ffprobe counts frames, key frames and times
		streams []Stream
	}{
		{"h264.ts", tally{30, 3, 1, 128090, 302090}, []Stream{{PID: 256, Type: 0x1B, Codec: H264, Kind: Video}, {PID: 257, Type: 0x0F, Codec: AAC, Kind: Audio}}},
		{"mpeg2.ts", tally{30, 3, 1, 126000, 300000}, []Stream{{PID: 256, Type: 0x02, Codec: MPEG2Video, Kind: Video}, {PID: 257, Type: 0x03, Codec: MPEGAudio, Kind: Audio}}},
		{"hevc.ts", tally{20, 4, 1, 126000, 297000}, []Stream{{PID: 256, Type: 0x24, Codec: H265, Kind: Video}}},
		{"audio.ts", tally{6, 6, 1, 126000, 293184}, []Stream{{PID: 256, Type: 0x0F, Codec: AAC, Kind: Audio}}},
	} {
		for _, random := range []bool{true, false} {
			b := read(t, c.name)
			if !random {
				clearRandomAccess(b)
			}
			var d Demux
			if got := count(t, c.name, &d, b); got != c.want {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
			got := slices.Clone(d.Streams())
			for i := range got {
				got[i].counter = 0
			}
			if !slices.Equal(got, c.streams) {
				t.Errorf("%s: %+v", c.name, got)
			}
			if pid, kind := d.Main(); pid != 256 || kind != c.streams[0].Kind {
				t.Errorf("%s: main %d %v", c.name, pid, kind)
			}
		}
	}
}

// clearRandomAccess clears every random_access_indicator.
func clearRandomAccess(b []byte) {
	each(b, func(p []byte) {
		if p[3]&0x20 != 0 && p[4] > 0 {
			p[5] &^= adaptRandomAccess
		}
	})
}

// TestSplitSections puts the end of one section and the start of the next into one
// packet, cut even within a section's length.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		stream byte
		es     []byte
		want   bool
	}{
		{0x1B, []byte{0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x67}, true},
		{0x1B, []byte{0, 0, 1, 9, 0x10, 0, 0, 1, 0x65}, true},
		{0x1B, []byte{0, 0, 0, 1, 9, 0x30, 0, 0, 1, 0x41, 0, 0, 1, 0x67}, false},
		{0x1B, []byte{0, 0, 2, 0x67, 3, 1, 0, 1, 0, 0, 2, 1}, false},
		{0x24, []byte{0, 0, 1, 0x46, 1, 0x50, 0, 0, 0, 1, 0x40, 1}, true},
		{0x24, []byte{0, 0, 1, 0x26, 1}, true},
		{0x24, []byte{0, 0, 1, 0x02, 1, 0, 0, 1, 0x40}, false},
		{0x33, []byte{0, 0, 1, 0, 0x79}, true},
		{0x33, []byte{0, 0, 1, 0, 0x01}, false},
		{0x02, []byte{0, 0, 1, 0xB3}, true},
		{0x02, []byte{0, 0, 1, 0x00, 0, 0, 1, 0xB3}, false},
		{0x10, []byte{0, 0, 1, 0xB0}, true},
		{0x10, []byte{0, 0, 1, 0xB6, 0, 0, 1, 0xB0}, false},
		{0xEA, []byte{0, 0, 1, 0x0F}, true},
		{0xEA, []byte{0, 0, 1, 0x0D}, false},
		{0x42, []byte{0, 0, 1, 0xB3}, true}, // no video known: every start is a join point
	} {
		var d Demux
		setUp(&d, [2]uint16{uint16(c.stream), 0x100})
		r := d.Feed(videoPacket(0x100, 0, 1, c.es...))
		if !r.Cut || r.Key != c.want {
			t.Errorf("type %#x, % x: %+v", c.stream, c.es, r)
		}
		p := videoPacket(0x100, 1, 1, c.es...)
		p[3] |= 0xC0 // scrambled
		if r := d.Feed(p); !r.Cut || r.HasTime || r.Key != (c.stream == 0x42) {
			t.Errorf("scrambled: %+v", r)
		}
	}
}

func TestContinuity(t *testing.T) {
	var d Demux
	setUp(&d, [2]uint16{0x1B, 0x100})
	feed := func(counter, control, adapt byte) Result {
		p := videoPacket(0x100, counter, 1)
		p[3] = p[3]&0x0F | control<<4
		if control&2 != 0 {
			p[4], p[5] = 183, adapt
			if control&1 != 0 {
				p[4] = 100
			}
		}
		return d.Feed(p)
	}
	for i, c := range []struct {
		counter, control, adapt byte
		gap, repeat             bool
	}{
		{15, 1, 0, false, false},
		{0, 1, 0, false, false},
		{0, 1, 0, false, true},
		{0, 2, 0, false, false}, // no payload
		{1, 1, 0, false, false},
		{3, 1, 0, true, false},
		{9, 3, adaptDiscontinuity, true, false},
		{10, 1, 0, false, false},
	} {
		if r := feed(c.counter, c.control, c.adapt); r.Gap != c.gap || r.Repeat != c.repeat || r.Broken {
			t.Errorf("%d: %+v", i, r)
		}
	}
	for _, p := range [][]byte{nil, make([]byte, 188), videoPacket(0x100, 0, 0)[:187]} {
		if r := d.Feed(p); !r.Broken {
			t.Errorf("%+v", r)
		}
	}
	p := videoPacket(0x100, 11, 0)
	p[1] |= 0x80
	if r := d.Feed(p); !r.Broken || r.PESStart {
		t.Errorf("transport error: %+v", r)
	}
}

func TestWrap(t *testing.T) {
	var d Demux
	setUp(&d, [2]uint16{0x1B, 0x100})
	want := int64(wrap - 5*90_000)
	for i := range 10 {
		if r := d.Feed(videoPacket(0x100, byte(i), want)); r.PTS != want || r.DTS != want {
			t.Fatalf("%d, want %d", r.PTS, want)
		}
		want += 90_000
	}
	if want -= 3_600 * 90_000; d.Feed(videoPacket(0x100, 10, want)).PTS != want {
		t.Error("an hour back")
	}
	if Nanoseconds(90_000) != 1_000_000_000 || Nanoseconds(-9) != -100_000 {
		t.Error("nanoseconds")
	}
}

func TestSync(t *testing.T) {
	b := read(t, "h264.ts")
	for skew := range 188 {
		skip, ok := Sync(b[188-skew : 188+600])
		if !ok || skip != skew {
			t.Fatalf("skew %d: %d %v", skew, skip, ok)
		}
	}
	if skip, ok := Sync(b[:376]); ok || skip != 0 {
		t.Error("376 bytes decide nothing")
	}
	if skip, ok := Sync(make([]byte, 1000)); ok || skip != 1000 {
		t.Error("zeros")
	}
	if n := Whole(b); n != len(b) || Whole(b[:188*3+5]) != 188*3 || Whole(b[1:]) != 0 || Whole(nil) != 0 {
		t.Error(n)
	}
}

// TestMostIsPlain: packets of which nothing but their bytes matters are known for that.
func TestMostIsPlain(t *testing.T) {
	for name, least := range map[string]int{"h264.ts": 50, "hevc.ts": 50, "mpeg2.ts": 50, "audio.ts": 30} {
		var d Demux
		plain, all := 0, 0
		each(read(t, name), func(p []byte) {
			if all++; d.Plain(p) {
				plain++
			} else {
				d.Feed(p)
			}
		})
		if plain*100 < least*all {
			t.Errorf("%s: %d of %d packets; want %d %%", name, plain, all, least)
		}
	}
}

func BenchmarkFeed(b *testing.B) {
	ts := read(b, "h264.ts")
	var d Demux
	b.ReportAllocs()
	b.SetBytes(PacketSize)
	for i := 0; b.Loop(); i++ {
		at := i * PacketSize % len(ts)
		d.Feed(ts[at : at+PacketSize])
	}
}
