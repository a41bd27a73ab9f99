package stream

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

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
