package host_test

import (
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

// TestTakeOver: a pushed source moves from server to server, the viewers of each miss
// nothing, and new ones get packets at once.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 3)
	at := s.Addr("web")
	for range 3 {
		b.s = b.s.TakeOver()
		if now := b.s.Addr("web"); now != at {
			t.Fatalf("the new server listens on %s, the old one on %s", now, at)
		}
		if p := b.s.Point("live"); p.State != "live" || p.Sources != 1 {
			t.Errorf("after the take-over the point is %s, with %d sources: %s", p.State, p.Sources, p.Source)
		}
		b.attach(2)
	}
	b.whole()
}
