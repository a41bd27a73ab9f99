package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
)

// page builds a page of whole packets.
func page(p Page, packets ...[]byte) []byte {
	var lacing, body []byte
	for _, k := range packets {
		n := len(k)
		for ; n >= 255; n -= 255 {
			lacing = append(lacing, 255)
		}
		lacing = append(lacing, byte(n))
		body = append(body, k...)
	}
	head := make([]byte, HeadSize)
	copy(head, "OggS")
	head[26] = byte(len(lacing))
	b := slices.Concat(head, lacing, body)
	p.Size = len(b)
	h := p.Rewrite(b)
	copy(b, h[:])
	return b
}

func vorbisHead(rate uint32) []byte {
	b := append([]byte("\x01vorbis"), make([]byte, 23)...)
	binary.LittleEndian.PutUint32(b[12:], rate)
	return b
}

func opusHead(skip uint16) []byte {
	b := append([]byte("OpusHead\x01\x02"), make([]byte, 9)...)
	binary.LittleEndian.PutUint16(b[10:], skip)
	return b
}

func theoraHead(num, den uint32, shift byte) []byte {
	b := append([]byte("\x80theora"), make([]byte, 35)...)
	binary.BigEndian.PutUint32(b[22:], num)
	binary.BigEndian.PutUint32(b[26:], den)
	b[40], b[41] = shift>>3, shift<<5
	return b
}

func flacHead(rate uint32, headers uint16) []byte {
	b := append([]byte("\x7FFLAC\x01\x00"), make([]byte, 44)...)
	binary.BigEndian.PutUint16(b[7:], headers)
	binary.BigEndian.PutUint32(b[27:], rate<<12)
	return b
}

func speexHead(rate, extra uint32) []byte {
	b := append([]byte("Speex   "), make([]byte, 72)...)
	binary.LittleEndian.PutUint32(b[36:], rate)
	binary.LittleEndian.PutUint32(b[68:], extra)
	return b
}

func TestParsePage(t *testing.T) {
	want := Page{Flags: First, Granule: 77, Serial: 5, Sequence: 6}
	b := page(want, []byte("one"), bytes.Repeat([]byte("x"), 600))
	for n := range b {
		p, need, err := ParsePage(b[:n])
		if err != nil || need <= 0 || n+need > len(b) || p != (Page{}) {
			t.Fatalf("%d bytes: %+v %d %v", n, p, need, err)
		}
	}
	p, need, err := ParsePage(append(b, 'x'))
	want.Segments, want.Size = 4, len(b)
	if p != want || need != 0 || err != nil {
		t.Fatalf("%+v %d %v", p, need, err)
	}
	if p.Ends(b) != 2 || string(p.FirstPacket(b)) != "one" || len(p.Body(b)) != 603 {
		t.Errorf("%d packets, %q, %d bytes", p.Ends(b), p.FirstPacket(b), len(p.Body(b)))
	}
	for _, damaged := range []string{"x", "OggT", "OggS\x01"} {
		if _, _, err := ParsePage([]byte(damaged)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", damaged, err)
		}
	}
}

// TestRewriteAsOthersDo: pages that another program wrote get the checksum that they have,
// and back again after a change.
func TestRewriteAsOthersDo(t *testing.T) {
	for _, name := range samples {
		b := sample(t, name)
		pages := 0
		for ; len(b) > 0; pages++ {
			p, need, err := ParsePage(b)
			if err != nil || need > 0 {
				t.Fatalf("%s: page %d: %d %v", name, pages, need, err)
			}
			if h := p.Rewrite(b); !bytes.Equal(h[:], b[:HeadSize]) {
				t.Fatalf("%s: page %d: %x, want %x", name, pages, h, b[:HeadSize])
			}
			other := p
			other.Granule, other.Serial, other.Flags = 1<<40, 9, Last
			changed := bytes.Clone(b[:p.Size])
			h := other.Rewrite(changed)
			copy(changed, h[:])
			if h = p.Rewrite(changed); !bytes.Equal(h[:], b[:HeadSize]) {
				t.Fatalf("%s: page %d does not come back", name, pages)
			}
			b = b[p.Size:]
		}
		if pages < 4 {
			t.Errorf("%s: %d pages", name, pages)
		}
	}
}

var samples = []string{"vorbis.ogg", "opus.ogg", "theora-vorbis.ogg", "flac.ogg"}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want Timing
		ok   bool
	}{
		{"vorbis", vorbisHead(44100), Timing{Codec: Vorbis, Headers: 2, Num: 44100, Den: 1}, true},
		{"opus", opusHead(312), Timing{Codec: Opus, Headers: 1, Skip: 312, Num: 48000, Den: 1}, true},
		{"theora", theoraHead(30000, 1001, 6), Timing{Codec: Theora, Headers: 2, Num: 30000, Den: 1001, Shift: 6}, true},
		{"theora 31", theoraHead(25, 1, 31), Timing{Codec: Theora, Headers: 2, Num: 25, Den: 1, Shift: 31}, true},
		{"flac", flacHead(96000, 3), Timing{Codec: FLAC, Headers: 3, Num: 96000, Den: 1}, true},
		{"flac of no number", flacHead(96000, 0), Timing{Codec: FLAC, Headers: UnknownHeaders, Num: 96000, Den: 1}, true},
		{"speex", speexHead(16000, 1), Timing{Codec: Speex, Headers: 2, Num: 16000, Den: 1}, true},
		{"no rate", vorbisHead(0), Timing{Codec: Vorbis, Headers: 2, Den: 1}, false},
		{"short", vorbisHead(44100)[:20], Timing{}, false},
		{"skeleton", []byte("fishead\x00"), Timing{}, false},
		{"nothing", nil, Timing{}, false},
	} {
		if got, ok := Identify(c.in); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v", c.name, got, ok)
		}
	}
}

func TestTimes(t *testing.T) {
	theora, _ := Identify(theoraHead(25, 1, 6))
	vorbis, _ := Identify(vorbisHead(44100))
	opus, _ := Identify(opusHead(312))
	ntsc, _ := Identify(theoraHead(30000, 1001, 6))
	for _, c := range []struct {
		name    string
		of      Timing
		granule int64
		ns      int64
	}{
		{"vorbis", vorbis, 44100*3600 + 22050, 3600_500_000_000},
		{"opus", opus, 312 + 48, 1_000_000},
		{"opus before its beginning", opus, 100, 0},
		{"theora", theora, 50<<6 | 25, 3_000_000_000},
		{"ntsc", ntsc, 30000 << 6, 1001_000_000_000},
		{"none", vorbis, NoGranule, 0},
		{"for ever", vorbis, 1<<63 - 1, maxSeconds * nsPerSecond},
		{"of nothing", Timing{}, 100, 0},
	} {
		if got := c.of.Nanoseconds(c.granule); got != c.ns {
			t.Errorf("%s: %d ns, want %d", c.name, got, c.ns)
		}
	}
	for _, of := range []Timing{vorbis, ntsc, theora} {
		for _, ns := range []int64{1_000_000_000, 3600_000_000_000, 123_456_789_012} {
			back := of.Nanoseconds(of.Granules(ns))
			if step := 1_000_000_000 * int64(of.Den) / int64(of.Num); back < ns-step || back > ns+step {
				t.Errorf("%+v: %d ns come back as %d", of, ns, back)
			}
		}
	}
	if vorbis.Granules(-5) != 0 || (&Timing{}).Granules(5) != 0 {
		t.Error("granules of nothing")
	}
}

func TestKeys(t *testing.T) {
	theora, _ := Identify(theoraHead(25, 1, 6))
	vorbis, _ := Identify(vorbisHead(44100))
	for _, c := range []struct {
		of   Timing
		in   string
		want bool
	}{{theora, "\x30", true}, {theora, "\x70", false}, {theora, "\x80", false}, {theora, "", false}, {vorbis, "\xFF", true}} {
		if c.of.IsKey([]byte(c.in)) != c.want {
			t.Errorf("%v %x", c.of.Codec, c.in)
		}
	}
}

// vorbis builds the pages of a header.
func vorbis(serial uint32, rate uint32, comment, setup string) []byte {
	return append(page(Page{Flags: First, Serial: serial}, vorbisHead(rate)),
		page(Page{Serial: serial, Sequence: 1}, []byte("\x03vorbis"+comment), []byte("\x05vorbis"+setup))...)
}

func TestHeaders(t *testing.T) {
	theora := append(page(Page{Flags: First, Serial: 1}, theoraHead(25, 1, 6)), vorbis(2, 44100, "c", "s")...)
	opus := page(Page{Flags: First, Serial: 1}, opusHead(312))
	a := vorbis(7, 44100, "one", "setup")
	for _, c := range []struct {
		name string
		b    []byte
		kind string
		same bool
	}{
		{"itself", a, "audio/ogg", true},
		{"another title and number", vorbis(8, 44100, "two", "setup"), "audio/ogg", true},
		{"another setup", vorbis(7, 44100, "one", "other"), "audio/ogg", false},
		{"another rate", vorbis(7, 48000, "one", "setup"), "audio/ogg", false},
		{"opus", opus, "audio/ogg", false},
		{"theora", theora, "video/ogg", false},
		{"nothing", nil, "", false},
		{"junk", []byte("OggS"), "", false},
	} {
		if MediaType(c.b) != c.kind || Compatible(a, c.b) != c.same || Compatible(c.b, a) != c.same {
			t.Errorf("%s: %q, compatible %v", c.name, MediaType(c.b), Compatible(a, c.b))
		}
	}
	if s := Serials(nil, theora); len(s) != 2 || s[0] != 1 || s[1] != 2 {
		t.Errorf("serial numbers %v", s)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	b := page(Page{Granule: 5, Serial: 1}, make([]byte, 4000))
	if n := testing.AllocsPerRun(100, func() {
		p, _, _ := ParsePage(b)
		p.Granule++
		h := p.Rewrite(b)
		b[22] ^= h[22]
		_ = p.FirstPacket(b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPages(f *testing.F) {
	f.Add(vorbis(7, 44100, "one", "setup"), int64(5e9))
	f.Add(page(Page{Flags: First}, theoraHead(25, 1, 6)), int64(1))
	f.Add(page(Page{Flags: First}, flacHead(48000, 0)), int64(-1))
	f.Add(page(Page{Flags: First}, speexHead(48000, 9)), int64(1<<62))
	for _, name := range samples {
		b := sample(f, name)
		f.Add(b[:min(len(b), 5000)], int64(1e9))
	}
	f.Fuzz(func(t *testing.T, b []byte, ns int64) {
		if MediaType(b) != "" && !Compatible(b, b) {
			t.Error("a header does not go with itself")
		}
		for rest := b; len(rest) > 0; {
			p, need, err := ParsePage(rest)
			if err != nil || need > 0 {
				return
			}
			k := p.FirstPacket(rest)
			if timing, ok := Identify(k); ok {
				if at := timing.Nanoseconds(p.Granule); at < 0 || at > maxSeconds*nsPerSecond {
					t.Errorf("%+v: granule %d is at %d ns", timing, p.Granule, at)
				}
				timing.Granules(ns)
			}
			h := p.Rewrite(rest)
			if q, need, err := ParsePage(append(h[:], rest[HeadSize:p.Size]...)); q != p || need > 0 || err != nil {
				t.Errorf("%+v comes back as %+v", p, q)
			}
			rest = rest[p.Size:]
		}
	})
}
