package stream

import (
	"testing"

	"github.com/weir-media/weir/host/internal/media"
)

// TestLength: timestamps that jump add a second at most, interleaved ones nothing twice.
func TestLength(t *testing.T) {
	l := New(Options{ChunkBytes: 64})
	at := func(dts, want media.Time) {
		t.Helper()
		l.Append(media.Packet{DTS: dts}, make([]byte, 20))
		if got := l.Length(); got != want {
			t.Errorf("after %v the length is %v, want %v", dts, got, want)
		}
	}
	at(50_000*ms, 0)
	c := l.Cursor(Start{Mode: StartSeq})
	at(50_020*ms, 20*ms)
	at(65_040*ms, 1020*ms) // a jump
	at(65_000*ms, 1020*ms) // another track
	at(65_060*ms, 1040*ms) // on from the first
	at(1000*ms, 1040*ms)   // a new timeline
	at(1100*ms, 1140*ms)
	if _, d, n := c.Lag(); d != 1140*ms || n != 7 {
		t.Errorf("lag %v, %d packets", d, n)
	}
}
