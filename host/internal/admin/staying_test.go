package admin

import (
	"testing"
	"time"
)

// TestStayingText: what a reload has left behind, in words.
func TestStayingText(t *testing.T) {
	at := time.Date(2026, 1, 2, 17, 40, 0, 0, time.UTC)
	for want, all := range map[string][]Staying{
		"": nil,
		"1 session stays with generation 7, until 17:40": {{Generation: 7, Sessions: 1, Until: at}},
		"2 sessions stay with generation 7, until 17:40; 1 session stays with generation 8, until 17:45; 2 packagers go over at their next key packets": {
			{Generation: 7, Sessions: 2, Until: at}, {Generation: 8, Sessions: 1, Packagers: 2, Until: at.Add(5 * time.Minute)}},
	} {
		if got := StayingText(all); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
