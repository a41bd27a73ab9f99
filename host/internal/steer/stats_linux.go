package steer

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Stats are the counters of each listener and protocol, by name.
func (t *Table) Stats() ([]Stats, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	all := make([]Stats, 0, len(t.destinations))
	var perCPU []skLookupCounters
	for d, n := range t.destinations {
		if err := t.objects.Stats.Lookup(n, &perCPU); err != nil {
			return nil, fmt.Errorf("listener %s: read counters: %w", d.Listener, err)
		}
		s := Stats{Listener: d.Listener, Protocol: d.Protocol}
		for _, c := range perCPU {
			s.Lookups, s.Misses, s.Errors = s.Lookups+c.Lookups, s.Misses+c.Misses, s.Errors+c.Errors
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Stats) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Protocol, b.Protocol))
	})
	return all, nil
}

// ProgramTime is how often the program ran for look-ups of any listener in the namespace, steered or not, and for how long in all. The kernel counts only
// while it is asked to, which costs some nanoseconds for each run of every program of the computer: the first call begins it, Close ends it.
// That needs CAP_SYS_ADMIN, or the sysctl kernel.bpf_stats_enabled; without, the error is an *Unavailable.
func (t *Table) ProgramTime() (runs uint64, total time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, 0, errClosed
	}
	if t.measuring == nil && !counting() {
		if t.measuring, err = ebpf.EnableStats(unix.BPF_STATS_RUN_TIME); err != nil {
			t.measuring = nil
			if errors.Is(err, unix.EPERM) {
				return 0, 0, &Unavailable{Missing: "CAP_SYS_ADMIN or the sysctl kernel.bpf_stats_enabled=1", Err: err}
			}
			return 0, 0, fmt.Errorf("steering program: count its time: %w", err)
		}
	}
	s, err := t.objects.Steer.Stats()
	if err != nil {
		return 0, 0, fmt.Errorf("steering program: read its time: %w", err)
	}
	return s.RunCount, s.Runtime, nil
}

// counting tells whether the kernel counts without being asked.
func counting() bool {
	b, err := os.ReadFile("/proc/sys/kernel/bpf_stats_enabled")
	return err == nil && len(b) > 0 && b[0] == '1'
}
