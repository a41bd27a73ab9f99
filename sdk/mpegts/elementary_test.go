package mpegts

import "testing"

// TestReadElementary: what a real stream's packets hold is what its demultiplexer says.
func TestReadElementary(t *testing.T) {
	for _, name := range samples {
		var d Demux
		times, bytes := 0, 0
		each(read(t, name), func(p []byte) {
			r := d.Feed(p)
			e, ok := ReadElementary(p)
			if r.Kind != Video && r.Kind != Audio {
				return
			}
			if !ok && r.PESStart || ok && (e.PID != r.PID || e.Begins != r.PESStart || e.HasTime != r.HasTime || e.HasTime && Near(e.PTS, r.PTS) != r.PTS) {
				t.Fatalf("%s: %+v, %v where the demultiplexer says %+v", name, e, ok, r)
			}
			if e.HasTime {
				times++
			}
			if ok {
				bytes += PacketSize - e.From
			}
		})
		if times < 5 || bytes < 10_000 {
			t.Errorf("%s: %d times, %d bytes", name, times, bytes)
		}
	}
}

// TestElementarySize: the length of a PES packet, less its head.
func TestElementarySize(t *testing.T) {
	p := videoPacket(0x100, 3, 90_000, 1, 2, 3)
	if e, ok := ReadElementary(p); !ok || e.Size != 0 || e.From != 18 || e.PTS != 90_000 || e.Counter != 3 {
		t.Errorf("%+v, %v", e, ok)
	}
	p[9] = 8 + 100 // 2.4.3.7: three bytes of flags and five of the time, then the stream
	if e, ok := ReadElementary(p); !ok || e.Size != 100 {
		t.Errorf("%+v, %v", e, ok)
	}
	p[3] |= 0x80
	if e, ok := ReadElementary(p); ok {
		t.Errorf("scrambled: %+v", e)
	}
}

func TestNear(t *testing.T) {
	for _, c := range [][3]int64{{5, 0, 5}, {5, wrap, wrap + 5}, {wrap - 5, wrap, wrap - 5}, {wrap - 5, 0, -5}, {7, 3*wrap - 9, 3*wrap + 7}} {
		if got := Near(c[0], c[1]); got != c[2] {
			t.Errorf("%d near %d is %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func FuzzReadElementary(f *testing.F) {
	f.Add(videoPacket(0x100, 3, 90_000, 1, 2, 3))
	f.Fuzz(func(t *testing.T, p []byte) {
		if e, ok := ReadElementary(p); ok && (e.From < 4 || e.From > PacketSize || e.Size < 0 || e.PTS < 0 || e.PTS >= wrap) {
			t.Fatalf("%+v", e)
		}
	})
}
