package stream

import (
	"testing"
	"time"

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

// TestBatchToALength gives packets up to a length of the log, and the rest of one that is
// partly sent whatever its length.
func TestBatchToALength(t *testing.T) {
	l := New(Options{})
	c := l.Cursor(Start{})
	for i := range 10 {
		put(l, 100, media.Time(i)*media.Time(time.Second), 0)
	}
	for _, step := range []struct {
		length      time.Duration
		limit, want int
		st          Status
		advance     int
	}{
		{-1, 1000, 0, Early, 0},
		{0, 1000, 100, More, 0},
		{1999 * time.Millisecond, 1000, 200, More, 0},
		{2 * time.Second, 1000, 300, More, 0},
		{2 * time.Second, 250, 200, More, 150},
		{-1, 1000, 50, More, 0},
		{0, 1000, 50, More, 50},
		{time.Second, 1000, 0, Early, 0},
		{time.Hour, 1000, 800, More, 800},
		{-1, 1000, 0, Empty, 0},
	} {
		b, st := c.BatchTo(step.limit, media.FromDuration(step.length))
		if len(b) != step.want || st != step.st {
			t.Fatalf("to %v: %d bytes, %v; want %d, %v", step.length, len(b), st, step.want, step.st)
		}
		c.Advance(step.advance)
	}
	if sent, skipped := c.TakeCounts(); sent != 10 || skipped != 0 || c.Sent() != 0 {
		t.Errorf("%d sent, %d skipped, then %d", sent, skipped, c.Sent())
	}
}
