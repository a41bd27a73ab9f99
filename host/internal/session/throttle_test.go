package session

import (
	"net/netip"
	"testing"
	"time"
)

func TestNetworkOf(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.77":          "192.0.2.0/24",
		"::ffff:192.0.2.77":   "192.0.2.0/24",
		"127.0.0.1":           "127.0.0.0/24",
		"2001:db8:1:2:3::4":   "2001:db8:1:2::/64",
		"fe80::1%eth0":        "fe80::/64",
		"::1":                 "::/64",
		"2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
	} {
		if got := networkOf(netip.MustParseAddr(peer)); got != (network{Prefix: netip.MustParsePrefix(want)}) {
			t.Errorf("%s: %v, want %s", peer, got, want)
		}
	}
	if networkOf(netip.Addr{}).IsValid() {
		t.Error("nobody has a network")
	}
}

// TestThrottle: each fault doubles how long its network is put aside, up to a minute; a
// network that was quiet begins anew; others are let in all the time.
func TestThrottle(t *testing.T) {
	var x throttle
	bad, good := networkOf(netip.MustParseAddr("192.0.2.1")), networkOf(netip.MustParseAddr("2001:db8::1"))
	now := time.Unix(1_000_000, 0)
	for i, s := range []struct {
		after   time.Duration // since the last step
		isFault bool
		want    time.Duration // how long it is put aside from then on
	}{
		{0, false, 0},
		{0, true, time.Second},
		{999 * time.Millisecond, false, time.Millisecond},
		{time.Millisecond, false, 0},
		{0, true, 2 * time.Second},
		{0, true, 4 * time.Second}, // a session that was open already
		{0, true, 8 * time.Second},
		{0, true, 16 * time.Second},
		{0, true, 32 * time.Second},
		{0, true, time.Minute},
		{0, true, time.Minute},
		{time.Minute + quietNetwork - 1, true, time.Minute}, // not quite forgotten
		{time.Minute + quietNetwork, true, time.Second},     // forgotten
		{time.Second + quietNetwork, false, 0},
	} {
		now = now.Add(s.after)
		if s.isFault {
			if _, got := x.fault(now, bad); got != s.want {
				t.Errorf("step %d: put aside for %v, want %v", i, got, s.want)
			}
		}
		if ok, after := x.admits(now, bad); ok != (s.want == 0) || after != s.want {
			t.Errorf("step %d: %v after %v, want after %v", i, ok, after, s.want)
		}
		if ok, _ := x.admits(now, good); !ok {
			t.Errorf("step %d: an innocent network is refused", i)
		}
	}
	if _, span := x.fault(now, network{}); span != 0 || len(x.nets) != 1 {
		t.Errorf("nobody is put aside: %v", x.nets)
	}
	if x.forget(now.Add(2 * quietNetwork)); len(x.nets) != 0 {
		t.Errorf("not forgotten: %v", x.nets)
	}
}

// testSite is a /64 of an IPv6 site of its own.
func testSite(i int) network {
	return networkOf(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i)}))
}

// TestThrottleIsBounded: however many networks bring faults, the table does not grow; the
// least blamed is forgotten, and a real offender only for as many that are as bad.
func TestThrottleIsBounded(t *testing.T) {
	var x throttle
	now := time.Unix(1_000_000, 0)
	for range 7 {
		x.fault(now, testSite(0)) // until a minute has gone
	}
	now = now.Add(lastWait)
	for i := range 3 * maxAside {
		now = now.Add(time.Millisecond / 100)
		x.fault(now, testSite(1+i))
	}
	if len(x.nets) != maxAside {
		t.Errorf("%d networks", len(x.nets))
	}
	for i, want := range map[int]bool{1: true, 2*maxAside + 1: true, 2*maxAside + 2: false, 3 * maxAside: false} {
		if ok, _ := x.admits(now, testSite(i)); ok != want {
			t.Errorf("network %d: let in %v", i, ok)
		}
	}
	if of, span := x.fault(now, testSite(0)); of != testSite(0) || span != lastWait {
		t.Errorf("other networks have had a real offender forgotten: %v waits %v", of, span)
	}
	if all := x.list(now); len(all) != maxAside || all[0].Network != testSite(0).Prefix || all[0].Faults != 8 {
		t.Errorf("%d listed, first %+v", len(all), all[0])
	}
}

// TestThrottleWidens: who owns more than a /64 is put aside whole, after a few faults,
// and goes on from there; the neighbours of one who does not are let in.
func TestThrottleWidens(t *testing.T) {
	of := func(text string) network { return networkOf(netip.MustParseAddr(text)) }
	for name, c := range map[string]struct {
		faults []string
		after  time.Duration // between them
		want   string
		span   time.Duration
		kept   int // networks
		free   string
	}{
		"one":                    {[]string{"2001:db8:1:100::1"}, 0, "2001:db8:1:100::/64", time.Second, 1, "2001:db8:1:101::1"},
		"one and its neighbour":  {[]string{"2001:db8:1:100::1", "2001:db8:1:101::1"}, 0, "2001:db8:1:101::/64", time.Second, 2, "2001:db8:1:102::1"},
		"one again and again":    {[]string{"2001:db8:1:100::1", "2001:db8:1:100::2", "2001:db8:1:100::3"}, 0, "2001:db8:1:100::/64", 4 * time.Second, 1, "2001:db8:1:101::1"},
		"a home":                 {[]string{"2001:db8:1:100::1", "2001:db8:1:101::1", "2001:db8:1:1ff::1"}, 0, "2001:db8:1:100::/56", 2 * time.Second, 1, "2001:db8:1:200::1"},
		"a home, and again":      {[]string{"2001:db8:1:100::1", "2001:db8:1:101::1", "2001:db8:1:1ff::1", "2001:db8:1:123::1"}, 0, "2001:db8:1:100::/56", 4 * time.Second, 1, "2001:db8:1:200::1"},
		"a site":                 {[]string{"2001:db8:1:100::1", "2001:db8:1:200::1", "2001:db8:1:300::1"}, 0, "2001:db8:1::/48", 2 * time.Second, 1, "2001:db8:2::1"},
		"a site by homes":        {[]string{"2001:db8:1::1", "2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:200::1", "2001:db8:1:300::1"}, 0, "2001:db8:1::/48", 4 * time.Second, 1, "2001:db8:2::1"},
		"three sites":            {[]string{"2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"}, 0, "2001:db8:3::/64", time.Second, 3, "2001:db8:3:1::1"},
		"a home, but long after": {[]string{"2001:db8:1:100::1", "2001:db8:1:101::1", "2001:db8:1:1ff::1"}, quietNetwork, "2001:db8:1:1ff::/64", time.Second, 3, "2001:db8:1:100::1"},
		"IPv4":                   {[]string{"192.0.2.1", "192.0.3.1", "192.0.4.1"}, 0, "192.0.4.0/24", time.Second, 3, "192.0.5.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var x throttle
			now := time.Unix(1_000_000, 0)
			x.swept = now.Add(24 * time.Hour) // nothing is swept
			var got network
			var span time.Duration
			for _, peer := range c.faults {
				now = now.Add(c.after)
				got, span = x.fault(now, of(peer))
			}
			if got.String() != c.want || span != c.span || len(x.nets) != c.kept {
				t.Errorf("%v is put aside for %v, of %d; want %s for %v, of %d", got, span, len(x.nets), c.want, c.span, c.kept)
			}
			if ok, after := x.admits(now, of(c.faults[len(c.faults)-1])); ok || after != span {
				t.Errorf("the guilty may come: %v, after %v", ok, after)
			}
			if ok, _ := x.admits(now, of(c.free)); !ok {
				t.Errorf("%s is refused", c.free)
			}
		})
	}
}

// TestThrottleOfDatagrams: what those bring who may claim to be anybody is held against
// such alone.
func TestThrottleOfDatagrams(t *testing.T) {
	var x throttle
	now := time.Unix(1_000_000, 0)
	forged, truly := claimed(netip.MustParseAddrPort("192.0.2.9:1")), networkOf(netip.MustParseAddr("192.0.2.9"))
	other := claimed(netip.MustParseAddrPort("198.51.100.1:1"))
	x.fault(now, forged)
	for _, c := range []struct {
		of                network
		admits, isDelayed bool
	}{{forged, false, true}, {truly, true, false}, {other, true, true}, {network{}, true, false}} {
		if ok, _ := x.admits(now, c.of); ok != c.admits || x.delays(now, c.of) != c.isDelayed {
			t.Errorf("%+v: admitted %v, delayed %v", c.of, ok, x.delays(now, c.of))
		}
	}
	if now = now.Add(firstWait); x.delays(now, forged) || x.delays(now, other) {
		t.Error("still delayed")
	}
	if all := x.list(now.Add(-1)); len(all) != 1 || !all[0].Datagrams {
		t.Errorf("%+v", all)
	}
}
