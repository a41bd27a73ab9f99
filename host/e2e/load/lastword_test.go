//go:build linux

package load_test

import (
	"testing"
	"time"
)

// TestLastWord: a player is told in its own words that nothing follows, and nothing does, however much there is to send.
func TestLastWord(t *testing.T) {
	s := serve(t, "live: {source: push, buffer: 10s, grace: 0s}")
	x := air(t, s, time.Minute, 8*megabit, 0)
	for range scale(5, 100) {
		seats := sit(20, habit{}, x.forms[0])
		x.audience.join(x.at, seats)
		x.audience.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
		x.audience.watched(seats, int(x.encoder.sent.Load()))
		if err := s.Disable("wmsp", "a test"); err != nil {
			t.Fatal(err)
		}
		x.audience.wait("are closed", seats, func(s *seat) bool { return s.closed })
		x.audience.see(func() {
			for i, s := range seats {
				if s.torn || s.phase != over {
					t.Errorf("viewer %d was closed without the last word, at unit %d", i, s.at)
				}
			}
		})
		if err := s.Enable("wmsp"); err != nil {
			t.Fatal(err)
		}
		s.WaitRendition("live", "mmsh")
	}
}
