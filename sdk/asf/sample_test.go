package asf

import (
	"os"
	"path/filepath"
	"testing"
)

// stream is a sample cut into its parts. The samples were made by ffmpeg 5.1.9; see
// testdata/README.md.
type stream struct {
	header  []byte
	h       Header
	packets [][]byte
	numbers []uint32 // LocationIds, framed samples only
	end     []byte
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func load(t testing.TB, name string) stream {
	t.Helper()
	b := read(t, name)
	layout, need := Sniff(b)
	if need != 0 {
		t.Fatalf("%s: Sniff needs %d more", name, need)
	}
	if layout == FramedMMS {
		return loadFramed(t, b)
	}
	if layout != Plain {
		t.Fatalf("%s: layout %v", name, layout)
	}
	return loadPlain(t, b)
}

func loadFramed(t testing.TB, b []byte) (s stream) {
	t.Helper()
	for len(b) > 0 {
		c, need, err := ParseChunk(b, FramedMMS)
		if err != nil || need != 0 || c.Size > len(b) {
			t.Fatalf("chunk: %+v %d %v", c, need, err)
		}
		switch c.Kind {
		case ChunkHeader:
			s.setHeader(t, b[c.Payload:c.Size])
		case ChunkData:
			s.packets = append(s.packets, b[c.Payload:c.Size])
			s.numbers = append(s.numbers, c.Location)
		case ChunkEnd:
			s.end = b[:c.Size]
		}
		b = b[c.Size:]
	}
	return s
}

func loadPlain(t testing.TB, b []byte) (s stream) {
	t.Helper()
	n, need, err := HeaderSize(b)
	if need != 0 || err != nil {
		t.Fatal(n, need, err)
	}
	s.setHeader(t, b[:n])
	for b = b[n:]; len(b) > 0; b = b[s.h.PacketSize:] {
		if end, _ := PlainEnd(b); end {
			s.end = b
			return s
		}
		s.packets = append(s.packets, b[:s.h.PacketSize])
	}
	return s
}

func (s *stream) setHeader(t testing.TB, b []byte) {
	t.Helper()
	h, err := ParseHeader(b)
	if err != nil || h.Size != len(b) {
		t.Fatalf("header: %v, %d of %d bytes", err, h.Size, len(b))
	}
	s.header, s.h = b, h
}

var samples = []string{"wmv2.asfstream", "wmv2-pipe.asf", "file-1400.asf", "msmpeg4.asfstream", "audio.asfstream"}
