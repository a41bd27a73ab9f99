package session

import (
	"testing"
	"unsafe"
)

// TestSessionSize: a viewer's session and its seat are one object of 256 bytes, a size class of Go's; ten more would cost 32.
func TestSessionSize(t *testing.T) {
	const most = 256
	if n := unsafe.Sizeof(Session{}); n > most {
		t.Errorf("a session has %d bytes; %d are what a viewer may take: put what viewers do not need into links", n, most)
	}
	if unlinked.x != nil || unlinked.name != "" || unlinked.watched != nil || unlinked.timers != nil {
		t.Error("the links that nobody writes to were written to")
	}
	if plain[0].closed || plain[0].net != nil || plain[0].in != nil || plain[0].greeted || plain[0].keeps {
		t.Error("the connection that nobody writes to was written to")
	}
	if idle.event != nil || idle.from != fromNowhere || idle.point != nil || idle.conn != nil {
		t.Error("the event that nobody writes to was written to")
	}
}

// TestSendBuffer: the kernel holds half a second of a stream, within bounds, and what the pool likes while the rate is unknown.
func TestSendBuffer(t *testing.T) {
	const megabit = 1_000_000 / 8
	for rate, want := range map[int]int{0: 0, megabit / 10: leastSendBuffer, 4 * megabit: 4 * megabit / 2, 100 * megabit: mostSendBuffer} {
		if got := sendBuffer(rate); got != want {
			t.Errorf("%d bytes for %d a second; want %d", got, rate, want)
		}
	}
}
