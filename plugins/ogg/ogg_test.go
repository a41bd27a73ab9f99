package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/ogg"
	"github.com/weir-media/weir/sdk/sdktest"
)

const dir = "../../sdk/ogg/testdata/"

var samples = []string{"vorbis.ogg", "opus.ogg", "theora-vorbis.ogg", "flac.ogg"}

func start(t testing.TB) *rig {
	r := newRig(t)
	r.Send(&abi.Published{Point: []byte("live"), Rendition: []byte("ogg"), SourceGeneration: 1})
	return r
}

// page builds a page of whole packets below 255 bytes.
func page(p ogg.Page, packets ...string) []byte {
	b := make([]byte, ogg.HeadSize, ogg.HeadSize+len(packets))
	copy(b, "OggS")
	b[26] = byte(len(packets))
	for _, k := range packets {
		b = append(b, byte(len(k)))
	}
	for _, k := range packets {
		b = append(b, k...)
	}
	p.Size = len(b)
	h := p.Rewrite(b)
	copy(b, h[:])
	return b
}

const rate = 48_000

func vorbisHead() string {
	b := append([]byte("\x01vorbis"), make([]byte, 23)...)
	binary.LittleEndian.PutUint32(b[12:], rate)
	return string(b)
}

// header of a Vorbis stream.
func header(serial uint32, comment, setup string) []byte {
	return append(page(ogg.Page{Flags: ogg.First, Serial: serial}, vorbisHead()),
		page(ogg.Page{Serial: serial, Sequence: 1}, "\x03vorbis"+comment, "\x05vorbis"+setup)...)
}

// sound is so many pages of a second.
func sound(serial uint32, from, pages int) (b []byte) {
	for i := range pages {
		p := ogg.Page{Serial: serial, Sequence: uint32(2 + i), Granule: int64(from+i+1) * rate}
		if i == pages-1 {
			p.Flags = ogg.Last
		}
		b = append(b, page(p, "one", "two")...)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func pages(t testing.TB, b []byte) (all []ogg.Page, raw [][]byte) {
	t.Helper()
	for len(b) > 0 {
		p, need, err := ogg.ParsePage(b)
		sdktest.Must(t, err)
		if need > 0 {
			t.Fatalf("%d bytes left that are no page", len(b))
		}
		if h := p.Rewrite(b); !bytes.Equal(h[:], b[:ogg.HeadSize]) {
			t.Fatalf("page %d has a wrong checksum", len(all))
		}
		all, raw = append(all, p), append(raw, b[:p.Size])
		b = b[p.Size:]
	}
	return all, raw
}

func (r *rig) bytes() (out []byte) {
	for _, p := range r.Packets {
		out = append(out, p.Payload...)
	}
	return out
}

func TestPagesAreTheEncoders(t *testing.T) {
	for _, name := range samples {
		b := sdktest.Read(t, dir+name)
		for _, n := range []int{1, 61, 1316, 5000, len(b)} {
			r := start(t)
			r.Renew = n == 1316
			r.Stream(b, n)
			r.End(abi.EndClosed)
			if r.Failed != 0 || len(r.Headers) != 1 {
				t.Fatalf("%s by %d: %d headers; %s", name, n, len(r.Headers), r.Text)
			}
			got, raw := pages(t, append(bytes.Clone(r.Headers[0]), r.bytes()...))
			want, sent := pages(t, b)
			if len(got) != len(want) {
				t.Fatalf("%s by %d: %d pages of %d", name, n, len(got), len(want))
			}
			for i := range got {
				if got[i].Flags&ogg.Last != 0 {
					t.Errorf("%s by %d: page %d says that it is the last", name, n, i)
				}
				if want[i].Flags&ogg.Last == 0 && !bytes.Equal(raw[i], sent[i]) || !bytes.Equal(raw[i][ogg.HeadSize:], sent[i][ogg.HeadSize:]) {
					t.Errorf("%s by %d: page %d differs", name, n, i)
				}
			}
			check(t, name, r)
		}
	}
}

func check(t *testing.T, name string, r *rig) {
	t.Helper()
	keys := 0
	last := r.Packets[len(r.Packets)-1].DTS
	for i, p := range r.Packets {
		if i > 0 && p.DTS < r.Packets[i-1].DTS || p.PTS != p.DTS || p.Duration < 0 {
			t.Fatalf("%s: packet %d at %d, %d long", name, i, p.DTS, p.Duration)
		}
		if p.Flags&abi.PacketKey != 0 {
			keys++
			if p.Track != 1 {
				t.Errorf("%s: packet %d of stream %d is a key", name, i, p.Track)
			}
		}
	}
	isVideo := strings.Contains(name, "theora")
	if keys < 2 || isVideo == (keys == len(r.Packets)) || last < second || last > 4*second {
		t.Errorf("%s: %d of %d packets are keys, ends at %d", name, keys, len(r.Packets), last)
	}
	if want := map[bool]string{true: "video/ogg", false: "audio/ogg"}[isVideo]; ogg.MediaType(r.Headers[0]) != want {
		t.Errorf("%s: %s", name, ogg.MediaType(r.Headers[0]))
	}
}

// TestReturningSource: other serial numbers and another title are no other header; pages
// go on under the old numbers, and their granule positions behind the last ones.
func TestReturningSource(t *testing.T) {
	first := start(t)
	first.Data(append(header(5, "one", "setup"), sound(5, 0, 3)...), 0)
	r := newRig(t)
	r.Renew = true
	r.Send(&abi.Published{NextTime: 10*second + 500_000_000, Header: first.Headers[0], SourceGeneration: 2})
	r.Stream(append(header(6, "two", "setup"), sound(6, 0, 3)...), 50)
	if len(r.Headers) != 1 || !bytes.Equal(r.Headers[0], first.Headers[0]) {
		t.Fatal("a compatible header was replaced")
	}
	got, _ := pages(t, r.bytes())
	if len(got) != 3 || r.Packets[0].Flags&abi.PacketDiscontinuity == 0 || r.Packets[1].Flags&abi.PacketDiscontinuity != 0 {
		t.Fatalf("%d pages; first flags %v", len(got), r.Packets[0].Flags)
	}
	for i, p := range got {
		if p.Serial != 5 || p.Granule != int64(11+i)*rate+rate/2 || p.Flags != 0 {
			t.Errorf("page %d: %+v", i, p)
		}
		if at := r.Packets[i].DTS; at != int64(11+i)*second+second/2 {
			t.Errorf("page %d stands at %d", i, at)
		}
	}
}

// TestRealSourceReturns: the same with what an encoder has made of pictures and sound.
func TestRealSourceReturns(t *testing.T) {
	for _, name := range samples {
		b := sdktest.Read(t, dir+name)
		first := start(t)
		first.Data(b, 0)
		r := newRig(t)
		r.Send(&abi.Published{NextTime: 100 * second, Header: first.Headers[0], SourceGeneration: 2})
		r.Stream(b, 4000)
		if len(r.Headers) != 1 || !bytes.Equal(r.Headers[0], first.Headers[0]) || len(r.Packets) != len(first.Packets) {
			t.Fatalf("%s: %d headers, %d packets; %s", name, len(r.Headers), len(r.Packets), r.Text)
		}
		h, _ := pages(t, r.Headers[0])
		timings := map[uint32]ogg.Timing{}
		for i, at := 0, 0; i < len(h); i++ {
			if h[i].Flags&ogg.First != 0 {
				timings[h[i].Serial], _ = ogg.Identify(h[i].FirstPacket(r.Headers[0][at:]))
			}
			at += h[i].Size
		}
		all, _ := pages(t, r.bytes())
		for i, p := range all {
			timing := timings[p.Serial]
			if at := timing.Nanoseconds(p.Granule); p.Granule != ogg.NoGranule && (at < 100*second || at > 105*second) {
				t.Errorf("%s: page %d of %v stands at %d ns", name, i, timing.Codec, at)
			}
		}
	}
}

func TestReturningSourceWithAnotherHeader(t *testing.T) {
	first := start(t)
	first.Data(append(header(5, "one", "setup"), sound(5, 0, 3)...), 0)
	r := newRig(t)
	r.Send(&abi.Published{NextTime: 5e9, Header: first.Headers[0], SourceGeneration: 2})
	r.Data(append(header(5, "one", "another"), sound(5, 0, 1)...), 0)
	if len(r.Headers) != 1 || bytes.Equal(r.Headers[0], first.Headers[0]) {
		t.Fatal("the new header is missing")
	}
	if p := r.Packets[0]; p.Flags&abi.PacketDiscontinuity == 0 || p.DTS != 6e9 {
		t.Errorf("first packet %+v", p.Packet)
	}
}

// TestChain: a chained stream with the same set-up goes on, another one is a new header.
func TestChain(t *testing.T) {
	r := start(t)
	r.Renew = true
	r.Stream(join(header(5, "one", "setup"), sound(5, 0, 3), header(6, "two", "setup"), sound(6, 0, 3)), 100)
	r.End(abi.EndLoop)
	r.Stream(join(header(5, "one", "setup"), sound(5, 0, 3)), 100)
	got, _ := pages(t, r.bytes())
	if r.Failed != 0 || len(r.Headers) != 1 || len(got) != 9 {
		t.Fatalf("%d headers, %d pages; %s", len(r.Headers), len(got), r.Text)
	}
	for i, p := range got {
		if want := int64(i+1) * rate; p.Serial != 5 || p.Granule < want || p.Granule > want+2 {
			t.Errorf("page %d: %+v", i, p)
		}
	}
	r.Stream(join(header(7, "", "another"), sound(7, 0, 1)), 100)
	if len(r.Headers) != 2 || r.Packets[9].Flags&abi.PacketDiscontinuity == 0 {
		t.Errorf("%d headers", len(r.Headers))
	}
	if got, _ := pages(t, r.Packets[9].Payload); got[0].Serial != 7 || got[0].Granule < 10*rate {
		t.Errorf("page %+v", got[0])
	}
}

func TestTimes(t *testing.T) {
	const day = 86_400
	r := start(t)
	r.Data(join(header(5, "", ""), sound(5, day, 3), sound(5, 2*day, 3), sound(5, 0, 3)), 0)
	if r.Packets[0].DTS != 0 {
		t.Errorf("begins at %d", r.Packets[0].DTS)
	}
	marks := 0
	for i, p := range r.Packets[1:] {
		if d := p.DTS - r.Packets[i].DTS; d < 0 || d > second+1 {
			t.Fatalf("packet %d comes after %d ns", i+1, d)
		}
		if p.Flags&abi.PacketDiscontinuity != 0 {
			marks++
		}
	}
	if marks != 2 {
		t.Errorf("%d discontinuities", marks)
	}
}

// TestKeys: a page that goes on with a packet is none to begin at.
func TestKeys(t *testing.T) {
	r := start(t)
	r.Data(join(header(5, "", ""), page(ogg.Page{Serial: 5, Granule: rate}, "one"), page(ogg.Page{Serial: 5, Granule: ogg.NoGranule}),
		page(ogg.Page{Serial: 5, Granule: 2 * rate, Flags: ogg.Continued}, "two"), page(ogg.Page{Serial: 5, Granule: 3 * rate}, "three")), 0)
	var keys []bool
	for _, p := range r.Packets {
		keys = append(keys, p.Flags&abi.PacketKey != 0)
	}
	if len(keys) != 4 || !keys[0] || keys[1] || keys[2] || !keys[3] || r.Packets[1].DTS != second {
		t.Errorf("keys %v", keys)
	}
}

// theora is the header of a stream of 25 pictures a second, whose granule positions count
// key frames above theoraShift bits.
func theora(serial uint32) []byte {
	b := append([]byte("\x80theora"), make([]byte, 35)...)
	binary.BigEndian.PutUint32(b[22:], 25)
	binary.BigEndian.PutUint32(b[26:], 1)
	b[40], b[41] = theoraShift>>3, theoraShift&7<<5
	return append(page(ogg.Page{Flags: ogg.First, Serial: serial}, string(b)), page(ogg.Page{Serial: serial, Sequence: 1}, "\x81theora", "\x82theora")...)
}

const theoraShift = 12

// Packets of pictures (Theora 7.1).
const (
	intra = "\x00i"
	inter = "\x40p"
)

// keys tells of each packet whether it is one.
func (r *rig) keys() (list []bool) {
	for _, p := range r.Packets {
		list = append(list, p.Flags&abi.PacketKey != 0)
	}
	return list
}

// TestKeyFrames: an encoder need not begin a page for a key frame.
func TestKeyFrames(t *testing.T) {
	long := intra + strings.Repeat("i", 253) // goes on, having filled a segment
	var b []byte
	for i, c := range [...]struct {
		packets []string
		flags   byte
	}{
		{[]string{intra, inter}, 0},
		{[]string{inter, inter}, 0},
		{[]string{inter, intra, inter}, 0},
		{[]string{"", inter}, 0}, // a picture that is shown again
		{[]string{inter, long}, 0},
		{[]string{intra, inter}, ogg.Continued},        // the rest of the long one, by chance
		{[]string{intra, inter, intra}, ogg.Continued}, // and one of its own
	} {
		b = append(b, page(ogg.Page{Serial: 5, Flags: c.flags, Granule: int64(i+1) << theoraShift}, c.packets...)...)
	}
	r := start(t)
	r.Data(append(theora(5), b...), 0)
	if got, want := r.keys(), []bool{true, false, true, false, true, false, true}; !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v; %s", got, want, r.Text)
	}
}

// TestRareKeys: where none comes for long, players begin at any page; pictures may have
// been announced and never sent.
func TestRareKeys(t *testing.T) {
	pictures := theora(5)
	for i := range 100 {
		k := inter
		if i == 0 {
			k = intra
		}
		pictures = append(pictures, page(ogg.Page{Serial: 5, Granule: 1<<theoraShift + int64(25*i)}, k)...)
	}
	for _, c := range []struct {
		name string
		in   []byte
		keys int
	}{
		{"gradual refresh", pictures, 4},
		{"no pictures", join(theora(5), header(6, "", ""), sound(6, 0, 100)), 3},
	} {
		r := start(t)
		r.Renew = true
		r.Stream(c.in, 1000)
		keys := 0
		for _, isKey := range r.keys() {
			if isKey {
				keys++
			}
		}
		if keys != c.keys || len(r.Packets) != 100 {
			t.Errorf("%s: %d keys in %d s; %s", c.name, keys, len(r.Packets), r.Text)
		}
	}
}

// TestOtherStreams: what is not known beside what is is left out.
func TestOtherStreams(t *testing.T) {
	r := start(t)
	skeleton := page(ogg.Page{Flags: ogg.First, Serial: 9}, "fishead\x00")
	r.Data(join(skeleton, header(5, "", ""), page(ogg.Page{Serial: 9}, "fisbone\x00"), page(ogg.Page{Serial: 9, Flags: ogg.Last}), sound(5, 0, 2)), 0)
	if r.Failed != 0 || len(r.Packets) != 2 || len(ogg.Serials(nil, r.Headers[0])) != 1 || bytes.Contains(r.Headers[0], []byte("fis")) {
		t.Errorf("%d packets; %s", len(r.Packets), r.Text)
	}
}

func TestGarbage(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"noise", []byte("noise and more of it"), "no Ogg page stands there (byte 0 "},
		{"nothing", nil, "ended before its first page of media (byte 0 "},
		{"header alone", header(5, "", ""), "ended before its first page of media"},
		{"no beginning", sound(5, 0, 1), "Vorbis, Opus, Theora, FLAC, Speex"},
		{"another codec", page(ogg.Page{Flags: ogg.First}, "\x80kate\x00\x00\x00"), "ended before"},
		{"media of another codec", join(page(ogg.Page{Flags: ogg.First}, "\x80kate\x00\x00\x00"), sound(0, 0, 1)), "Vorbis, Opus, Theora, FLAC, Speex"},
		{"one number twice", join(header(5, "", ""), header(5, "", "")), "one serial number"},
		{"nine streams", func() (b []byte) {
			for i := range uint32(9) {
				b = append(b, page(ogg.Page{Flags: ogg.First, Serial: i}, vorbisHead())...)
			}
			return b
		}(), "more than 8 streams"},
		{"long header", join(page(ogg.Page{Flags: ogg.First}, vorbisHead()), bytes.Repeat(page(ogg.Page{Granule: ogg.NoGranule}), maxHeader/ogg.HeadSize)), "more than 28 KiB"},
		{"endless header", join(page(ogg.Page{Flags: ogg.First, Serial: 77}, vorbisHead()), header(5, "", ""), bytes.Repeat(sound(5, 0, 1), 2+maxDropped/len(sound(5, 0, 1)))), "the header of the stream with the serial number 77 does not end"},
		{"noise in the media", join(header(5, "", ""), sound(5, 0, 1), []byte("noise")), "no Ogg page stands there"},
	} {
		r := start(t)
		r.Data(c.in, abi.DataLast)
		if r.Failed == 0 {
			r.End(abi.EndClosed)
		}
		if r.Failed != abi.EPROTO || !strings.Contains(r.Text, c.want) {
			t.Errorf("%s: %v %q", c.name, r.Failed, r.Text)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add(join(header(5, "a", "b"), sound(5, 0, 3), header(6, "a", "b"), sound(6, 0, 1)), uint16(50), int64(7e9))
	for _, name := range samples {
		b := sdktest.Read(f, dir+name)
		f.Add(b[:min(len(b), 4500)], uint16(777), int64(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, n uint16, next int64) {
		r := newRig(t)
		r.Renew = n&1 != 0
		r.Send(&abi.Published{NextTime: max(next%1e15, 0)})
		r.Stream(b, max(int(n), 1+len(b)/8))
		if r.Failed == 0 {
			r.End(abi.EndLoop)
		}
		if r.Failed == 0 {
			r.Data(b, 0)
		}
		last := int64(0)
		for i, p := range r.Packets {
			if p.DTS < last {
				t.Fatalf("packet %d at %d after %d", i, p.DTS, last)
			}
			last = p.DTS
			if q, need, err := ogg.ParsePage(p.Payload); err != nil || need > 0 || q.Size != len(p.Payload) || q.Flags&ogg.Last != 0 {
				t.Fatalf("packet %d: %+v %d %v", i, q, need, err)
			}
		}
	})
}
