package steer

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// BenchmarkSpread reports the program's own time for a datagram of a known flow, from the kernel's statistics.
func BenchmarkSpread(b *testing.B) {
	needsEBPF(b)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Skip(err)
	}
	defer stats.Close()
	for name, byID := range map[string]bool{"address": false, "id": true} {
		b.Run(name, func(b *testing.B) {
			s := NewSpreader(Options{})
			c := gather(b, s, byID)
			c.add(64)
			for _, v := range c.flows {
				v.seen = nil
			}
			b.ReportAllocs()
			c.round(b.N/len(c.flows) + 1)
			until(b, "all datagrams come", func() bool { return c.got.Load() == c.sent })
			st, err := s.groups[0].objects.Spread.Stats()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(st.Runtime/time.Duration(st.RunCount)), "program-ns/datagram")
		})
	}
}
