package asf

import (
	"bytes"
	"errors"
	"testing"
)

// pushed turns a framed sample into the layout of a Windows Media encoder's push.
func pushed(t testing.TB, s stream) []byte {
	t.Helper()
	chunk := func(b []byte, kind byte, payload []byte) []byte {
		return append(append(b, '$', kind, byte(len(payload)), byte(len(payload)>>8)), payload...)
	}
	b := chunk(nil, 'H', s.header)
	for _, p := range s.packets {
		b = chunk(b, 'D', p)
	}
	return chunk(b, 'E', []byte{1, 0, 0, 0})
}

func TestSniff(t *testing.T) {
	header := load(t, "wmv2.asfstream").header
	ts := make([]byte, 400)
	ts[0], ts[188], ts[376] = 0x47, 0x47, 0x47
	meta := append([]byte{'$', 'M', 20, 0}, make([]byte, 20)...)
	change := append([]byte{'$', 'C', 0, 2, 0, 0, 0, 0}, header...)
	for _, c := range []struct {
		name string
		b    []byte
		want Layout
	}{
		{"framed", read(t, "wmv2.asfstream"), FramedMMS},
		{"framed, audio", read(t, "audio.asfstream"), FramedMMS},
		{"framed behind metadata", append(bytes.Clone(meta), read(t, "wmv2.asfstream")...), FramedMMS},
		{"framed behind $C", append([]byte{'$', 'C', 4, 0, 0, 0, 0, 0}, read(t, "wmv2.asfstream")...), FramedMMS},
		{"push", pushed(t, load(t, "wmv2.asfstream")), FramedPush},
		{"push with $C", change, FramedPush},
		{"plain", read(t, "wmv2-pipe.asf"), Plain},
		{"ts", ts, TS},
		{"ogg", []byte("OggS\x00\x02"), Ogg},
		{"webm", []byte("\x1A\x45\xDF\xA3\x9F"), WebM},
		{"flv", []byte("FLV\x01\x05"), FLV},
		{"flv 2", []byte("FLV\x02\x05"), LayoutUnknown},
		{"put", []byte("PUT / HTTP/1.1"), LayoutUnknown},
		{"get, which begins like ts", append([]byte("GET / HTTP/1.1"), make([]byte, 400)...), LayoutUnknown},
		{"data first", []byte("$D\x00\x01"), LayoutUnknown},
		{"ts, one sync byte wrong", append([]byte{0x47}, make([]byte, 400)...), LayoutUnknown},
		{"$H of something else", append([]byte("$H\x31\x03"), make([]byte, 40)...), LayoutUnknown},
	} {
		got, need := Sniff(c.b)
		if got != c.want || need != 0 {
			t.Errorf("%s: %v, need %d", c.name, got, need)
		}
		sniffSlowly(t, c.name, c.b, c.want)
	}
	if l, need := Sniff(nil); l != LayoutUnknown || need != 1 {
		t.Error("empty")
	}
	if FramedPush.String() != "asf-push" || Layout(99).String() != "unknown" {
		t.Error("names")
	}
}

// sniffSlowly brings just as many bytes as Sniff asks for.
func sniffSlowly(t *testing.T, name string, b []byte, want Layout) {
	t.Helper()
	for n := 0; ; {
		l, need := Sniff(b[:n])
		if need == 0 {
			if l != want {
				t.Errorf("%s: %v after %d bytes", name, l, n)
			}
			return
		}
		if n += need; n > len(b) {
			t.Errorf("%s: wants %d bytes of %d", name, n, len(b))
			return
		}
	}
}

func TestChunks(t *testing.T) {
	s := load(t, "wmv2.asfstream")
	if s.numbers[0] != 1 || s.numbers[15] != 16 || len(s.end) != 12 {
		t.Errorf("numbers %v, end %x", s.numbers, s.end)
	}
	b := pushed(t, s)
	kinds, packets := "", 0
	for len(b) > 0 {
		c, need, err := ParseChunk(b, FramedPush)
		if err != nil || need != 0 {
			t.Fatal(c, need, err)
		}
		switch c.Kind {
		case ChunkHeader:
			if !bytes.Equal(b[c.Payload:c.Size], s.header) {
				t.Error("header differs")
			}
		case ChunkData:
			if !bytes.Equal(b[c.Payload:c.Size], s.packets[packets]) {
				t.Errorf("packet %d differs", packets)
			}
			packets++
		case ChunkEnd:
			if c.Reason != ReasonNext || c.Size != 8 {
				t.Errorf("%+v", c)
			}
		}
		if kinds += string(rune(c.Kind)); len(kinds) > 2 {
			kinds = kinds[1:]
		}
		b = b[c.Size:]
	}
	if packets != len(s.packets) || kinds != "DE" {
		t.Errorf("%d packets, ends with %s", packets, kinds)
	}
}

func TestGoldenChunks(t *testing.T) {
	for _, c := range []struct {
		hex    string
		layout Layout
		want   Chunk
	}{
		{"2448 3103 00000000 00 0C 3103", FramedMMS, Chunk{Kind: ChunkHeader, Payload: 12, Size: 0x335, Flags: AFSingle}},
		{"A444 880C 12000000 05 07 880C", FramedMMS, Chunk{Kind: ChunkData, Next: true, Payload: 12, Size: 3212, Location: 18, Incarnation: 5, Flags: 7}},
		{"2444 800C", FramedPush, Chunk{Kind: ChunkData, Payload: 4, Size: 3204}},
		{"2445 0400 092F0D00", FramedMMS, Chunk{Kind: ChunkEnd, Payload: 8, Size: 8, Reason: 0x000D2F09}},
		{"2445 0800 11000000 0000 0800", FramedMMS, Chunk{Kind: ChunkEnd, Payload: 4, Size: 12}},
		{"2445 0000", FramedPush, Chunk{Kind: ChunkEnd, Payload: 4, Size: 4}},
		{"2443 0400 01000000", FramedMMS, Chunk{Kind: ChunkChange, Payload: 8, Size: 8, Reason: 1}},
		{"2443 0A00 00000000", FramedPush, Chunk{Kind: ChunkChange, Payload: 8, Size: 14}},
		{"2446 0500", FramedPush, Chunk{Kind: ChunkFiller, Payload: 4, Size: 9}},
		{"2450 1000", FramedMMS, Chunk{Kind: ChunkPair, Payload: 4, Size: 20}},
	} {
		b := unhex(t, c.hex)
		if got, need, err := ParseChunk(b, c.layout); got != c.want || need != 0 || err != nil {
			t.Errorf("%s: %+v, %d, %v", c.hex, got, need, err)
		}
		for n := range c.want.Payload {
			if _, need, err := ParseChunk(b[:n], c.layout); err != nil || need <= 0 || n+need > len(b) {
				t.Errorf("%s: %d bytes: need %d, %v", c.hex, n, need, err)
			}
		}
	}
	for _, bad := range []string{"00", "2558", "2458 0000", "2444 0700 00000000", "2443 0300", "47"} {
		if c, need, err := ParseChunk(unhex(t, bad), FramedMMS); need == 0 && !errors.Is(err, ErrChunk) {
			t.Errorf("%s: %+v, %v", bad, c, err)
		}
	}
}

func TestBuilders(t *testing.T) {
	head := DataChunkHead(0x112, 3200)
	end, change := EndChunk(ReasonNext), ChangeChunk(0)
	af := MMSDataHead(18, 4, 9, 100)
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{head[:], "2444 880C 12010000 00 12 880C"},
		{end[:], "2445 0400 01000000"},
		{change[:], "2443 0400 00000000"},
		{af[:], "12000000 04 09 6C00"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%x, want %x", c.got, want)
		}
	}
	b, err := AppendHeaderChunk([]byte("x"), []byte("header"))
	if want := append([]byte("x"), unhex(t, "2448 0E00 00000000 00 0C 0E00 686561646572")...); err != nil || !bytes.Equal(b, want) {
		t.Errorf("%x, %v", b, err)
	}
	b, err = AppendHeaderChunk([]byte("x"), make([]byte, MaxHeaderSize+1))
	if !errors.Is(err, ErrTooLarge) || string(b) != "x" {
		t.Error("a header that is too long was taken")
	}
	if b, err = AppendHeaderChunk(nil, make([]byte, MaxHeaderSize)); err != nil || len(b) != 4+65535 {
		t.Error(len(b), err)
	}
}

func TestEnds(t *testing.T) {
	end := load(t, "wmv2-pipe.asf").end
	if index, _ := IsIndex(end); !index {
		t.Errorf("end %x", end)
	}
	tail := end[len(end)-PlainEndSize:]
	if end, need := PlainEnd(tail); !end || need != 0 {
		t.Errorf("%x: %v %d", tail, end, need)
	}
	for n, want := range []int{1, 3, 2, 1} {
		if end, need := PlainEnd([]byte("$E\x08\x00")[:n]); end || need != want {
			t.Errorf("%d bytes: %v %d", n, end, need)
		}
	}
	if end, need := PlainEnd([]byte{0x82}); end || need != 0 {
		t.Error("a packet is no end")
	}
	g := guidIndexes[0]
	if index, need := IsIndex(g[:7]); index || need != 9 {
		t.Error(index, need)
	}
	if index, need := IsIndex([]byte{0x82, 0, 0}); index || need != 0 {
		t.Error(index, need)
	}
}
