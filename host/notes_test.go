package host

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
)

// TestPointNotes: what a change means for a point's viewers and destinations is said in one line.
func TestPointNotes(t *testing.T) {
	to := func(ports ...uint16) (all []config.Destination) {
		for _, port := range ports {
			all = append(all, config.Destination{To: netip.AddrPortFrom(netip.MustParseAddr("239.192.7.7"), port)})
		}
		return all
	}
	announced := func(all []config.Destination) []config.Destination {
		all[0].SAP.Group = netip.MustParseAddr("239.195.255.255")
		return all
	}
	const later = "; destinations that are sent to now have the old values until their rendition begins anew"
	for name, c := range map[string]struct {
		old, now config.Point
		want     string
	}{
		"nothing that is seen":     {config.Point{Grace: 1, Multicast: to(1)}, config.Point{Grace: 2, Multicast: to(1)}, ""},
		"announced only":           {config.Point{Multicast: to(1)}, config.Point{Multicast: announced(to(1))}, ""},
		"one comes":                {config.Point{}, config.Point{Multicast: to(1)}, "1 destination is sent to from now on"},
		"two come":                 {config.Point{}, config.Point{Multicast: to(1, 2)}, "2 destinations are sent to from now on"},
		"one goes, one stays":      {config.Point{Multicast: to(1, 2)}, config.Point{Multicast: to(2)}, "1 destination gets no more, the other goes on undisturbed"},
		"two go, two stay":         {config.Point{Multicast: to(1, 2, 3, 4)}, config.Point{Multicast: to(1, 2)}, "2 destinations get no more, the others go on undisturbed"},
		"two go, one comes":        {config.Point{Multicast: to(1, 2)}, config.Point{Multicast: to(3)}, "2 destinations get no more, 1 destination is sent to from now on"},
		"on_lag is for viewers":    {config.Point{OnLag: config.LagSkip, Multicast: to(1)}, config.Point{OnLag: config.LagDrop, Multicast: to(1)}, "for viewers who join from now on: on_lag skip -> drop"},
		"nobody to have old ones":  {config.Point{Latency: 40 * time.Millisecond}, config.Point{Latency: 5 * time.Millisecond}, "for viewers who join from now on: latency 40ms -> 5ms"},
		"new ones have new values": {config.Point{Multicast: to(1)}, config.Point{BurstRate: 1.5, Multicast: to(2)}, "for viewers who join from now on: burst_rate 0 -> 1.5; 1 destination gets no more, 1 destination is sent to from now on"},
		"all of them": {config.Point{OnLag: config.LagSkip, MaxLag: 10 * time.Second, Latency: 40 * time.Millisecond, BurstRate: 2, Multicast: to(1)},
			config.Point{OnLag: config.LagDrop, MaxLag: time.Second, Latency: 50 * time.Millisecond, Multicast: to(1)},
			"for viewers who join from now on: on_lag skip -> drop, max_lag 10s -> 1s, latency 40ms -> 50ms, burst_rate 2 -> 0" + later},
	} {
		if got := (&pointStep{action: admin.Changed, old: c.old, now: c.now}).note(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for action, want := range map[string]string{admin.Added: "2 destinations are sent to from now on", admin.Removed: "2 destinations get no more"} {
		p := config.Point{Enabled: true, OnLag: config.LagSkip, Latency: time.Second, Multicast: to(1, 2)}
		step := pointStep{action: action, old: p}
		if action == admin.Added {
			step = pointStep{action: action, now: p}
		}
		if got := step.note(); got != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
	}
}
