package session

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func testNet(i int) network { return networkOf(netip.MustParseAddr(fmt.Sprintf("198.51.%d.1", i))) }

// TestJudge: a plugin is guilty when three networks and more than 5 % of a minute's
// events say so, and not before.
func TestJudge(t *testing.T) {
	type fault struct {
		after time.Duration
		of    int
	}
	for name, c := range map[string]struct {
		events int
		faults []fault
		want   bool
	}{
		"one network":           {0, []fault{{0, 1}, {0, 1}, {0, 1}, {0, 1}}, false},
		"two networks":          {0, []fault{{0, 1}, {0, 2}, {0, 1}, {0, 2}}, false},
		"three networks":        {0, []fault{{0, 1}, {0, 2}, {0, 3}}, true},
		"three, seldom":         {60, []fault{{0, 1}, {0, 2}, {0, 3}}, false}, // 3 of 60: 5 %
		"three, often enough":   {59, []fault{{0, 1}, {0, 2}, {0, 3}}, true},  // 3 of 59
		"the first is long ago": {0, []fault{{0, 1}, {59 * time.Second, 2}, {time.Second, 3}}, false},
		"within a minute":       {0, []fault{{0, 1}, {58 * time.Second, 2}, {time.Second, 3}}, true},
		"the events long ago":   {1000, []fault{{time.Minute, 1}, {0, 2}, {0, 3}}, true},
		"one comes again":       {0, []fault{{0, 1}, {50 * time.Second, 2}, {0, 1}, {9 * time.Second, 2}, {10 * time.Second, 3}}, true},
		"many, one of them hot": {0, []fault{{0, 1}, {0, 2}, {61 * time.Second, 3}, {0, 3}, {0, 3}}, false},
		"nobody is one":         {0, []fault{{0, 1}, {0, 2}, {0, 0}, {0, 0}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var q quarantine
			now := time.Unix(1_000_000, 0)
			q.handled(now, c.events)
			got := false
			for _, f := range c.faults {
				now = now.Add(f.after)
				of := network{}
				if f.of > 0 {
					of = testNet(f.of)
				}
				q.fault(now, of, false)
				if span, guilty := q.judge(now); guilty {
					if got = true; span != time.Second {
						t.Errorf("the first quarantine lasts %v", span)
					}
					break
				}
			}
			if got != c.want {
				t.Errorf("guilty: %v", got)
			}
		})
	}
}

// TestAsideMakesNoOtherGuilty: one network brings faults for minutes over sessions that it
// opened before. That it is put aside is all that follows, also when two others come to it.
func TestAsideMakesNoOtherGuilty(t *testing.T) {
	var b blame
	now := time.Unix(1_000_000, 0)
	for second := range 3 * judgedTime {
		if s := b.guilty(now, testNet(1)); s.quarantine > 0 {
			t.Fatalf("guilty after %d s", second)
		}
		now = now.Add(time.Second)
	}
	for i := range 6 {
		if s := b.guilty(now, testNet(2+i%2)); s.quarantine > 0 {
			t.Fatalf("guilty for fault %d of others", i)
		}
	}
	if s := b.guilty(now, testNet(4)); s.quarantine == 0 {
		t.Error("three others do not make it guilty")
	}
}

// TestQuarantineDoubles: from a second to a minute, and back with quiet.
func TestQuarantineDoubles(t *testing.T) {
	var q quarantine
	now := time.Unix(1_000_000, 0)
	for i, s := range []struct {
		quiet time.Duration // since the end of the last
		want  time.Duration
	}{
		{0, time.Second},
		{0, 2 * time.Second},
		{0, 4 * time.Second},
		{30 * time.Second, 8 * time.Second},
		{time.Second, 16 * time.Second},
		{time.Second, 32 * time.Second},
		{time.Second, time.Minute},
		{time.Second, time.Minute},
		{2 * time.Minute, 30 * time.Second},
		{24 * time.Hour, time.Second},
	} {
		now = now.Add(s.quiet)
		for n := range guiltyNetworks {
			if _, guilty := q.judge(now); guilty {
				t.Fatalf("step %d: guilty after %d faults", i, n)
			}
			q.fault(now, testNet(n), false)
		}
		span, guilty := q.judge(now)
		if !guilty || span != s.want {
			t.Errorf("step %d: %v %v, want %v", i, guilty, span, s.want)
		}
		now = now.Add(span)
	}
}

// TestJudgeCounts: whose faults count, and for how many.
func TestJudgeCounts(t *testing.T) {
	v6 := func(text string) network { return networkOf(netip.MustParseAddr(text)) }
	flow := func(text string) network { return claimed(netip.MustParseAddrPort(text)) }
	type fault struct {
		of      network
		isAside bool
		times   int
	}
	for name, c := range map[string]struct {
		events int
		faults []fault
		want   bool
	}{
		"a site":                  {0, []fault{{v6("2001:db8:1:1::1"), false, 9}, {v6("2001:db8:1:200::1"), false, 9}, {v6("2001:db8:1:ffff::1"), false, 9}}, false},
		"three sites":             {0, []fault{{v6("2001:db8:1::1"), false, 1}, {v6("2001:db8:2::1"), false, 1}, {v6("2001:db8:3::1"), false, 1}}, true},
		"datagrams":               {0, []fault{{flow("192.0.2.1:1"), false, 9}, {flow("192.0.3.1:1"), false, 9}, {flow("[2001:db8::1]:1"), false, 9}}, false},
		"datagrams and two":       {0, []fault{{flow("192.0.2.1:1"), false, 1}, {testNet(1), false, 1}, {testNet(2), false, 1}}, true},
		"put aside already":       {0, []fault{{testNet(1), true, 100}, {testNet(2), false, 2}, {testNet(3), false, 2}}, false},
		"one brings most":         {100, []fault{{testNet(1), false, 1000}, {testNet(2), false, 1}, {testNet(3), false, 1}}, false}, // 4 of 100
		"all bring as many":       {100, []fault{{testNet(1), false, 2}, {testNet(2), false, 2}, {testNet(3), false, 2}}, true},     // 6 of 100
		"all of them many":        {10_000, []fault{{testNet(1), false, 1000}, {testNet(2), false, 1000}, {testNet(3), false, 1000}}, true},
		"once, and aside often":   {100, []fault{{testNet(1), false, 1}, {testNet(2), false, 1}, {testNet(3), false, 1}, {testNet(2), true, 2}, {testNet(3), true, 2}}, true},
		"one of them aside often": {100, []fault{{testNet(1), false, 1}, {testNet(2), false, 1}, {testNet(3), false, 1}, {testNet(2), true, 9}}, false}, // 4 of 100
	} {
		t.Run(name, func(t *testing.T) {
			var q quarantine
			now := time.Unix(1_000_000, 0)
			q.handled(now, c.events)
			most := 0
			for _, f := range c.faults {
				most = max(most, f.times)
			}
			for i := range most { // in turn
				for _, f := range c.faults {
					if i < f.times {
						q.fault(now, f.of, f.isAside)
					}
				}
			}
			if _, guilty := q.judge(now); guilty != c.want {
				t.Errorf("guilty: %v", guilty)
			}
		})
	}
}
