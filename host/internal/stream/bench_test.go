package stream

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

func TestAppendAllocatesPerChunkOnly(t *testing.T) {
	l := New(Options{ChunkBytes: 1 << 20, MaxBytes: 4 << 20})
	b := new(bell)
	l.AddWaker(b)
	head, body := make([]byte, 12), make([]byte, 1000)
	l.Append(media.Packet{}, head, body)
	if n := testing.AllocsPerRun(500, func() {
		l.Append(media.Packet{Flags: media.Key}, head, body)
	}); n != 0 {
		t.Errorf("%v allocations per packet within a chunk", n)
	}
	perChunk := testing.AllocsPerRun(10, func() {
		for range 1 << 20 / 1012 {
			l.Append(media.Packet{}, head, body)
		}
	})
	if perChunk > 4 { // the chunk, its data and its records
		t.Errorf("%v allocations per chunk", perChunk)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	l := New(Options{ChunkBytes: 4 << 10})
	for i := range 1000 {
		put(l, 100, media.Time(i)*ms, media.Key)
	}
	var c, d Cursor
	if n := testing.AllocsPerRun(10, func() {
		c, d = l.Cursor(Start{Mode: StartSeq}), l.Cursor(Start{Mode: StartBurst, Back: time.Second})
		for {
			b, st := c.Batch(1000)
			if st != More {
				break
			}
			c.Advance(len(b))
			c.Lag()
			c.Place()
		}
		for {
			if _, st := d.Next(); st != More {
				break
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := New(Options{})
	p := make([]byte, 1316)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var dts media.Time
	for b.Loop() {
		dts += ms
		l.Append(media.Packet{DTS: dts, Flags: media.Key}, p)
	}
}

// BenchmarkRound is what a viewer's round costs besides the send: 19 packets of
// 1,316 bytes, which is 40 ms at 5 Mbit/s.
func BenchmarkRound(b *testing.B) {
	l := New(Options{ChunkBytes: 1 << 20})
	p := make([]byte, 1316)
	start := l.Cursor(Start{})
	for range 700 {
		l.Append(media.Packet{}, p)
	}
	b.ReportAllocs()
	c := start
	for b.Loop() {
		batch, st := c.Batch(19 * 1316)
		if st != More {
			c = start
			continue
		}
		c.Advance(len(batch))
		c.Lag()
	}
}

func BenchmarkCursorBurst(b *testing.B) {
	l := New(Options{Window: time.Hour})
	p := make([]byte, 1316)
	for i := range 40_000 {
		var f media.Flags
		if i%500 == 0 {
			f = media.Key
		}
		l.Append(media.Packet{DTS: media.Time(i) * ms, Flags: f}, p)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Cursor(Start{Mode: StartBurst, Back: 10 * time.Second})
	}
}
