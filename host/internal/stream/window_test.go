package stream

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// TestEarly: packets that leave before their time are counted, and told of once; a
// bound that is raised or lowered holds from then on.
func TestEarly(t *testing.T) {
	const size, second = 100, media.Time(time.Second)
	l := New(Options{Window: 10 * time.Second, ChunkBytes: size, MaxBytes: 5 * size})
	var told []media.Time
	l.OnEarly(func(kept media.Time) { told = append(told, kept) })
	at := media.Time(0)
	add := func(n int, step media.Time) {
		for range n {
			l.Append(media.Packet{DTS: at}, make([]byte, size))
			at += step
		}
	}
	held := func() int {
		oldest, next := l.Bounds()
		if l.Bytes() > l.MaxBytes() {
			t.Errorf("%d bytes are held, %d may be", l.Bytes(), l.MaxBytes())
		}
		return int(next - oldest)
	}
	add(3, 5*second)
	add(3, 5*second)
	if n := l.Early(); n != 0 || held() > 3 {
		t.Errorf("%d packets left early, %d are held, though time alone bounds them", n, held())
	}
	add(20, second/10)
	if n := held(); n != 5 || l.Early() == 0 {
		t.Errorf("%d packets are held, %d left early", n, l.Early())
	}
	if len(told) != 1 || told[0] <= 0 || told[0] >= 10*second {
		t.Errorf("told of %v; want once, of what was still held", told)
	}
	l.SetMaxBytes(50 * size)
	before := l.Early()
	add(40, second/10)
	if n := held(); n != 45 || l.Early() != before {
		t.Errorf("%d packets are held after the bound was raised, %d more left early", n, l.Early()-before)
	}
	l.SetMaxBytes(2 * size)
	if add(1, second/10); held() != 2 || l.Early() <= before || len(told) != 1 {
		t.Errorf("%d packets are held after the bound was lowered, told %d times", held(), len(told))
	}
}

// TestSetWindow: another window holds from the next chunk on, for more and for less.
func TestSetWindow(t *testing.T) {
	l := New(Options{Window: time.Hour, ChunkBytes: 256})
	l.SetHeader([]byte("header"))
	at := media.Time(0)
	second := media.FromDuration(time.Second)
	add := func(n int) {
		for range n {
			l.Append(media.Packet{DTS: at, PTS: at, Flags: media.Key}, make([]byte, 64))
			at += second
		}
	}
	held := func() uint64 {
		oldest, next := l.Bounds()
		return next - oldest
	}
	add(100)
	if n := held(); n != 100 {
		t.Fatalf("%d packets of an hour's window", n)
	}
	l.SetWindow(10 * time.Second)
	add(20)
	if n := held(); n < 10 || n > 20 {
		t.Errorf("%d packets of a window of 10 s", n)
	}
	l.SetWindow(time.Hour)
	add(100)
	if n := held(); n < 110 {
		t.Errorf("%d packets after the window was widened", n)
	}
}

// TestRate: what the window holds a second, once it holds enough.
func TestRate(t *testing.T) {
	l := New(Options{Window: 10 * time.Second, ChunkBytes: 1000})
	add := func(n int) {
		for range n {
			l.Append(media.Packet{DTS: media.FromDuration(time.Duration(l.Written()) * time.Millisecond)}, make([]byte, 100)) // 1,000 bytes a second
		}
	}
	add(3)
	if n := l.Rate(); n != 0 {
		t.Errorf("%d bytes a second of 0.2 s", n)
	}
	add(300)
	if n := l.Rate(); n < 950 || n > 1100 {
		t.Errorf("%d bytes a second; want 1,000", n)
	}
}
