package asf

import (
	"bytes"
	"errors"
	"testing"
)

func TestSampleHeaders(t *testing.T) {
	const wmv2, mp43, wma2 = 0x32564D57, 0x3334504D, 0x161
	video := Stream{Number: 1, Kind: Video, Codec: wmv2, Width: 160, Height: 120}
	audio := Stream{Number: 2, Kind: Audio, Codec: wma2, SampleRate: 44100, Channels: 1}
	for _, c := range []struct {
		name       string
		packetSize int
		flags      uint32
		streams    []Stream
	}{
		{"wmv2.asfstream", 3200, 3, []Stream{video, audio}},
		{"wmv2-pipe.asf", 3200, 3, []Stream{video, audio}},
		{"file-1400.asf", 1400, 2, []Stream{video, audio}},
		{"msmpeg4.asfstream", 1400, 3, []Stream{{Number: 1, Kind: Video, Codec: mp43, Width: 160, Height: 120}}},
		{"audio.asfstream", 3200, 3, []Stream{{Number: 1, Kind: Audio, Codec: wma2, SampleRate: 44100, Channels: 1}}},
	} {
		s := load(t, c.name)
		if s.h.PacketSize != c.packetSize || s.h.Flags != c.flags || s.h.Preroll != 3100 || s.h.MaxBitrate == 0 {
			t.Errorf("%s: %d bytes, flags %d, preroll %d, bitrate %d", c.name, s.h.PacketSize, s.h.Flags, s.h.Preroll, s.h.MaxBitrate)
		}
		if len(s.h.List()) != len(c.streams) {
			t.Fatalf("%s: %d streams", c.name, s.h.StreamCount)
		}
		for i, want := range c.streams {
			if s.h.Streams[i] != want {
				t.Errorf("%s: stream %+v, want %+v", c.name, s.h.Streams[i], want)
			}
		}
	}
	s := load(t, "file-1400.asf")
	if int(s.h.DataPackets) != len(s.packets) || int(s.h.DataSize) != DataHeadSize+1400*len(s.packets) || len(s.end) == 0 {
		t.Errorf("file: %d packets in %d bytes, found %d", s.h.DataPackets, s.h.DataSize, len(s.packets))
	}
}

func TestHeaderSizeGrows(t *testing.T) {
	b := load(t, "wmv2.asfstream").header
	for n := range b {
		size, need, err := HeaderSize(b[:n])
		if err != nil || need <= 0 || size != 0 && size != len(b) || n+need > len(b) {
			t.Fatalf("%d bytes: %d, %d, %v", n, size, need, err)
		}
		if _, err := ParseHeader(b[:n]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("ParseHeader of %d bytes: %v", n, err)
		}
	}
}

func TestHeaderErrors(t *testing.T) {
	good := load(t, "wmv2.asfstream").header
	h, _ := ParseHeader(good)
	for _, c := range []struct {
		name string
		at   int
		b    string
		want error
	}{
		{"guid", 0, "\x31", ErrMalformed},
		{"huge", 16, "\xFF\xFF\xFF\xFF", ErrTooLarge},
		{"tiny", 16, "\x10\x00", ErrMalformed},
		{"child of size 0", headerFixed + 16, "\x00\x00", ErrMalformed},
		{"child too long", headerFixed + 16, "\x00\x00\x00\x80", ErrMalformed},
		{"child too long by 2^63", headerFixed + 23, "\x80", ErrMalformed},
		{"variable packets", h.props + 92, "\x00\x01", ErrVariable},
		{"packets of 2^24 bytes", h.props + 92, "\x00\x00\x00\x01\x00\x00\x00\x01", ErrTooLarge},
		{"packets of 1 byte", h.props + 92, "\x01\x00\x00\x00\x01\x00\x00\x00", ErrMalformed},
		{"no file properties", h.props, "\x00", ErrMalformed},
		{"stream 0", bytes.Index(good, guidStreamProps[:]) + 72, "\x00", ErrMalformed},
		{"stream twice", bytes.Index(good, guidStreamProps[:]) + 72, "\x02", ErrMalformed},
		{"type data too long", bytes.Index(good, guidStreamProps[:]) + 64, "\xFF\xFF\xFF\xFF", ErrMalformed},
		{"data object", len(good) - DataHeadSize, "\x00", ErrMalformed},
		{"data size", len(good) - DataHeadSize + 16, "\x31", ErrMalformed},
		{"extension size", bytes.Index(good, guidExtension[:]) + 42, "\xFF", ErrMalformed},
	} {
		b := bytes.Clone(good)
		copy(b[c.at:], c.b)
		if _, err := ParseHeader(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// extended builds an Extended Stream Properties Object with one name, one payload
// extension system and a hidden stream inside.
func extended(number byte, inner []byte) []byte {
	var fixed [extStreamMin]byte
	copy(fixed[:], guidExtStream[:])
	fixed[72], fixed[84], fixed[86] = number, 1, 1
	o := fixed[:]
	o = append(o, 0, 0, 4, 0, 'a', 0, 'b', 0)
	o = append(o, make([]byte, 22)...)
	o[len(o)-4] = 3
	o = append(o, 1, 2, 3)
	o = append(o, inner...)
	le.PutUint64(o[16:], uint64(len(o)))
	return o
}

// withExtension puts an object into the header extension of a header.
func withExtension(header, object []byte) []byte {
	at := bytes.Index(header, guidExtension[:])
	b := append(bytes.Clone(header[:at+extFixed]), object...)
	b = append(b, header[at+extFixed:]...)
	grow := uint64(len(object))
	le.PutUint64(b[16:], le.Uint64(b[16:])+grow)
	le.PutUint64(b[at+16:], le.Uint64(b[at+16:])+grow)
	le.PutUint32(b[at+42:], le.Uint32(b[at+42:])+uint32(grow))
	return b
}

func TestHiddenStreams(t *testing.T) {
	good := load(t, "wmv2.asfstream").header
	at := bytes.Index(good, guidStreamProps[:])
	inner := bytes.Clone(good[at : at+int(le.Uint64(good[at+16:]))])
	inner[72], inner[73] = 9, 0x80
	b := withExtension(good, extended(9, inner))
	h, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if s := h.Streams[0]; h.StreamCount != 3 || s.Number != 9 || s.Kind != Video || !s.Hidden || !s.Encrypted {
		t.Errorf("%d streams, first %+v", h.StreamCount, s)
	}
	v := h.Set(Video)
	if !v.Has(1) || !v.Has(9) || v.Has(2) || v.Has(0) || v.Has(200) || v.Empty() {
		t.Errorf("video streams %v", v)
	}
	if Compatible(good, b) || Compatible(b, good) || !Compatible(b, b) {
		t.Error("a stream more must not be compatible")
	}
	c := withExtension(good, extended(9, inner))
	e := bytes.Index(c, guidExtStream[:])
	c[e+24], c[e+40] = 7, 8 // start time, bit rate
	if !Compatible(b, c) {
		t.Error("times and bit rates of a stream are free to change")
	}
	if c[e+64]++; Compatible(b, c) {
		t.Error("the largest object's size counts")
	}
	for n := 1; n < len(inner); n++ {
		if _, err := ParseHeader(withExtension(good, extended(9, inner[:n]))); err == nil {
			t.Fatalf("%d bytes of a hidden stream were taken", n)
		}
	}
}

func TestBroadcast(t *testing.T) {
	id := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for _, name := range samples {
		s := load(t, name)
		in := append(bytes.Clone(s.header), "packets follow"...)
		out := Broadcast([]byte("head"), in, id)
		if string(out[:4]) != "head" || len(out) != 4+len(s.header) {
			t.Fatalf("%s: %d bytes", name, len(out))
		}
		out = out[4:]
		h, err := ParseHeader(out)
		if err != nil || h.Flags != 1 || h.FileID != id || h.DataPackets != 0 || h.DataSize != 50 {
			t.Errorf("%s: %v, flags %d, %d packets, %d bytes", name, err, h.Flags, h.DataPackets, h.DataSize)
		}
		for i, c := range out {
			d := len(out) - DataHeadSize
			free := i >= h.props+24 && i < h.props+48 || i >= h.props+56 && i < h.props+80 || i >= h.props+88 && i < h.props+92 || i >= d+16 && i < d+48
			if !free && c != in[i] {
				t.Fatalf("%s: byte %d changed", name, i)
			}
		}
		if !Compatible(s.header, out) || !Compatible(out, s.header) {
			t.Errorf("%s: not compatible with its broadcast form", name)
		}
		if again := Broadcast(nil, out, id); !bytes.Equal(again, out) {
			t.Errorf("%s: not idempotent", name)
		}
	}
	if out := Broadcast([]byte("x"), []byte("no header"), id); string(out) != "x" {
		t.Errorf("bad header gave %q", out)
	}
}

func TestCompatible(t *testing.T) {
	a, pipe := load(t, "wmv2.asfstream").header, load(t, "wmv2-pipe.asf").header
	if !Compatible(a, pipe) {
		t.Error("asf_stream and asf of the same encoder should be compatible")
	}
	for _, name := range []string{"file-1400.asf", "msmpeg4.asfstream", "audio.asfstream"} {
		if Compatible(a, load(t, name).header) {
			t.Errorf("%s should not be compatible with wmv2.asfstream", name)
		}
	}
	if Compatible(a, nil) || Compatible(nil, a) || Compatible(a, a[:100]) {
		t.Error("what does not parse is not compatible")
	}
	at := bytes.Index(a, guidStreamProps[:])
	for _, c := range []struct {
		name string
		at   int
		want bool
	}{
		{"codec data", at + streamProps + 60, false},
		{"title tag", bytes.Index(a, guidHarmless[1][:]) + 40, true},
		{"codec list", bytes.Index(a, guidHarmless[2][:]) + 50, true},
		{"preroll", bytes.Index(a, guidFileProps[:]) + 80, false},
		{"bit rate", bytes.Index(a, guidFileProps[:]) + 100, true},
		{"creation date", bytes.Index(a, guidFileProps[:]) + 48, true},
		{"aspect ratio", bytes.Index(a, []byte("A\x00s\x00p\x00")) + 26, false},
	} {
		b := bytes.Clone(a)
		b[c.at]++
		if got := Compatible(a, b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	n := bytes.Index(a, guidHarmless[2][:])
	short := append(bytes.Clone(a[:n]), a[len(a)-DataHeadSize:]...)
	le.PutUint64(short[16:], uint64(n))
	if !Compatible(a, short) || !Compatible(short, a) {
		t.Error("a codec list may come and go")
	}
}

func TestHeaderAllocates(t *testing.T) {
	b := load(t, "wmv2.asfstream").header
	dst := make([]byte, 0, len(b))
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ParseHeader(b); err != nil || !Compatible(b, b) {
			t.Fatal(err)
		}
		dst = Broadcast(dst[:0], b, [16]byte{})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
