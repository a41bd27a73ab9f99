package matroska

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// element builds one with a size of two bytes.
func element(id uint32, body ...byte) []byte {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if c := byte(id >> shift); c != 0 || len(b) > 0 {
			b = append(b, c)
		}
	}
	return append(append(b, 0x40|byte(len(body)>>8), byte(len(body))), body...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func entry(number, kind, uid byte, more ...byte) []byte {
	return element(idTrackEntry, join(element(idTrackNumber, number), element(idTrackUID, uid), element(idTrackType, kind), more)...)
}

func header(docType string, info []byte, entries ...[]byte) []byte {
	b := AppendSegment(element(IDEBML, element(IDDocType, []byte(docType)...)...))
	return join(b, info, element(IDTracks, join(entries...)...))
}

func TestParseElement(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Element
		need int
		err  error
	}{
		{"", Element{}, 1, nil},
		{"\x1A", Element{}, 4, nil},
		{"\xA3\x81", Element{ID: IDSimpleBlock, Head: 2, Size: 1}, 0, nil},
		{"\xA3\x41\x00", Element{ID: IDSimpleBlock, Head: 3, Size: 256}, 0, nil},
		{"\xA3\x41", Element{}, 1, nil},
		{"\x1F\x43\xB6\x75\xFF", Element{ID: IDCluster, Head: 5, Unknown: true}, 0, nil},
		{"\x1F\x43\xB6\x75\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Element{ID: IDCluster, Head: 12, Unknown: true}, 0, nil},
		{"\xA3\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFE", Element{ID: IDSimpleBlock, Head: 9, Size: 1<<56 - 2}, 0, nil},
		{"\x00\x81", Element{}, 0, ErrSyntax},
		{"\x08\x81", Element{}, 0, ErrSyntax},
		{"\xA3\x00", Element{}, 0, ErrSyntax},
	} {
		e, need, err := ParseElement([]byte(c.in))
		if e != c.want || need != c.need || !errors.Is(err, c.err) {
			t.Errorf("%x: %+v %d %v", c.in, e, need, err)
		}
	}
}

func TestHeader(t *testing.T) {
	scale := element(IDInfo, element(IDTimestampScale, 0x03, 0xE8)...)
	for _, c := range []struct {
		name string
		in   []byte
		want string
		err  error
	}{
		{"webm", header("webm", nil, entry(1, 2, 9), entry(2, 1, 8)), "video/webm", nil},
		{"sound", header("webm", scale, entry(1, 2, 9)), "audio/webm", nil},
		{"padded", header("webm\x00\x00", nil, entry(1, 2, 9)), "audio/webm", nil},
		{"mkv", header("matroska", nil, entry(3, 1, 9)), "video/matroska", nil},
		{"mka", header("matroska", nil, entry(3, 2, 9)), "audio/matroska", nil},
		{"other", header("flv", nil, entry(1, 2, 9)), "", ErrDocType},
		{"empty", nil, "", ErrDocType},
		{"no tracks", header("webm", nil), "", ErrNoTracks},
		{"no time", header("webm", element(IDInfo, element(IDTimestampScale, 0)...), entry(1, 1, 9)), "", ErrScale},
		{"cut", header("webm", nil, entry(1, 1, 9))[:30], "", ErrSyntax},
	} {
		h, err := ParseHeader(c.in)
		if !errors.Is(err, c.err) || MediaType(c.in) != c.want {
			t.Errorf("%s: %+v %v, media type %q", c.name, h, err, MediaType(c.in))
		}
	}
	h, _ := ParseHeader(header("webm", scale, entry(1, 2, 9), entry(2, 1, 8), entry(3, 1, 8)))
	if h.Scale != 1000 || h.Video != 2 || h.Tracks != 3 {
		t.Errorf("%+v", h)
	}
}

func TestCompatible(t *testing.T) {
	a := header("webm", nil, entry(1, 1, 9), entry(2, 2, 8))
	for _, c := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"the same", a, true},
		{"other identities and names", header("webm", element(IDInfo), entry(1, 1, 1, element(idTrackName, 'x')...), entry(2, 2, 2)), true},
		{"another kind of document", header("matroska", nil, entry(1, 1, 9), entry(2, 2, 8)), false},
		{"other ticks", header("webm", element(IDInfo, element(IDTimestampScale, 1)...), entry(1, 1, 9), entry(2, 2, 8)), false},
		{"one track less", header("webm", nil, entry(1, 1, 9)), false},
		{"another order", header("webm", nil, entry(2, 2, 8), entry(1, 1, 9)), false},
		{"another codec", header("webm", nil, entry(1, 1, 9, element(0x86, 'V')...), entry(2, 2, 8)), false},
		{"none", nil, false},
	} {
		if Compatible(a, c.b) != c.want || Compatible(c.b, a) != c.want {
			t.Errorf("%s: not %v", c.name, c.want)
		}
	}
}

func TestAppendInfo(t *testing.T) {
	keep := join(element(IDTimestampScale, 1), element(0x4D80, 'm'))
	body := join(element(IDCRC, 1, 2, 3, 4), keep[:6], element(idDuration, 0, 0, 0, 0), element(idSegmentUUID, 1), element(IDVoid, 0), keep[6:])
	b, ok := AppendInfo([]byte("x"), body)
	e, got, rest, whole := Next(b[1:])
	if !ok || !whole || e.ID != IDInfo || !bytes.Equal(got, keep) || len(rest) > 0 {
		t.Errorf("%v %v %x", ok, e, b)
	}
	if _, ok := AppendInfo(nil, body[:len(body)-1]); ok {
		t.Error("damage passes")
	}
}

func TestCluster(t *testing.T) {
	b := AppendCluster(nil, 0x0102030405)
	e, need, err := ParseElement(b)
	if err != nil || need > 0 || e.ID != IDCluster || !e.Unknown || len(b) != ClusterHead {
		t.Fatalf("%+v %d %v", e, need, err)
	}
	e, body, rest, ok := Next(b[e.Head:])
	if at, _ := Unsigned(body); !ok || e.ID != IDTimestamp || at != 0x0102030405 || len(rest) > 0 {
		t.Errorf("%+v %x", e, body)
	}
	if _, ok := Unsigned(make([]byte, 9)); ok {
		t.Error("nine bytes pass for a number")
	}
}

func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		of   func([]byte) (Block, error)
		want Block
		err  error
	}{
		{"key", []byte{0x81, 0, 5, 0x80, 'x'}, ParseSimpleBlock, Block{1, 5, true}, nil},
		{"other", []byte{0x40, 0x81, 0xFF, 0xFF, 0x06}, ParseSimpleBlock, Block{129, -1, false}, nil},
		{"track 0", []byte{0x80, 0, 5, 0x80}, ParseSimpleBlock, Block{}, ErrSyntax},
		{"short", []byte{0x81, 0, 5}, ParseSimpleBlock, Block{}, ErrSyntax},
		{"group", element(IDBlock, 0x82, 0, 7, 0, 'x'), ParseGroup, Block{2, 7, true}, nil},
		{"group that refers", join(element(IDBlock, 0x82, 0, 7, 0), element(IDReferenceBlock, 0xFF)), ParseGroup, Block{2, 7, false}, nil},
		{"group without a block", element(IDReferenceBlock, 0xFF), ParseGroup, Block{}, ErrSyntax},
		{"group that is cut", join(element(IDBlock, 0x82, 0, 7, 0), []byte{0xFB}), ParseGroup, Block{}, ErrSyntax},
		{"long group", join(element(0x75A2, 1), element(IDBlock, 0x82, 0, 7, 0, 'x'))[:12], ParseGroupHead, Block{2, 7, false}, nil},
		{"long group of nothing", element(0x75A2, 1), ParseGroupHead, Block{}, ErrSyntax},
		{"nothing", nil, ParseGroup, Block{}, ErrSyntax},
	} {
		k, err := c.of(c.in)
		if k != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v %v", c.name, k, err)
		}
	}
}

// TestNothingIsAllocated: what is called for each block costs no memory.
func TestNothingIsAllocated(t *testing.T) {
	simple := element(IDSimpleBlock, 0x81, 0, 5, 0x80, 'x')
	group := element(IDBlockGroup, element(IDBlock, 0x82, 0, 7, 0, 'x')...)
	if n := testing.AllocsPerRun(100, func() {
		e, _, _ := ParseElement(simple)
		_, _ = ParseSimpleBlock(simple[e.Head:])
		_, body, _, _ := Next(group)
		_, _ = ParseGroup(body)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(header("webm", nil, entry(1, 1, 9)), header("webm", element(IDInfo), entry(1, 1, 1)))
	f.Add([]byte("\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\xFF"), []byte("\x16\x54\xAE\x6B\x82\xAE\x80"))
	for _, name := range []string{"vp8-vorbis.webm", "h264-aac.mkv", "opus.webm"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 6000)], b[:min(len(b), 500)])
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		h, err := ParseHeader(a)
		if (err == nil) != (MediaType(a) != "") || err == nil && (h.Scale == 0 || h.Tracks == 0) {
			t.Errorf("%+v %v %q", h, err, MediaType(a))
		}
		if err == nil && !Compatible(a, a) {
			t.Error("a header does not go with itself")
		}
		if Compatible(a, b) != Compatible(b, a) {
			t.Error("one goes with the other, but not the other with it")
		}
		if out, ok := AppendInfo(nil, b); ok {
			if _, body, rest, ok := Next(out); !ok || len(rest) > 0 || len(body) > len(b) {
				t.Errorf("info %x", out)
			}
		}
		_, _ = ParseGroup(b)
		_, _ = ParseGroupHead(b)
		_, _ = ParseSimpleBlock(b)
	})
}
