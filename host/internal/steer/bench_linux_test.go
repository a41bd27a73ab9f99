package steer

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// One claim of 1,000 changes. Set then waits for look-ups under way, in which nothing is done: "settle-ns", timed apart.
func BenchmarkSetOneOfThousand(b *testing.B) {
	ns := newNamespace(b)
	table := ns.table()
	all := thousand()
	if err := table.Set(all); err != nil {
		b.Fatal(err)
	}
	before := processorTime(b)
	for i := 0; b.Loop(); i++ {
		all[i%1000].Listener = fmt.Sprintf("l%d", i%7)
		if _, err := table.change(all); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	start := time.Now()
	for range 10 {
		settle()
	}
	b.ReportMetric(float64(time.Since(start).Nanoseconds())/10, "settle-ns")
}

// processorTime is what this process has used: on a shared machine it tells more than the clock.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// All ports of 1,000 prefixes, put in force and out by turns: as many words as can change.
func BenchmarkSetEverything(b *testing.B) {
	ns := newNamespace(b)
	table := ns.table()
	all := make([]Claim, 1000)
	for i := range all {
		all[i] = claim(fmt.Sprintf("tcp 10.0.%d.%d 1-65535 l1", i/250, i%250))
	}
	for i := 0; b.Loop(); i++ {
		if _, err := table.change(all[:i>>1&1*1000]); err != nil {
			b.Fatal(err)
		}
	}
}

// The program itself, by test runs.
func BenchmarkProgram(b *testing.B) {
	ns := newNamespace(b)
	table := ns.table()
	attach(b, table, "l1", ns.listen("127.0.0.1:0"))
	wide := claims("tcp 127.0.0.2 80 l1")
	for i := range 10_000 {
		wide = append(wide, claim(fmt.Sprintf("tcp 10.%d.%d.0/24 80 l1", i/250, i%250)))
	}
	for name, c := range map[string]struct {
		claims []Claim
		to     string
	}{
		"no rule":         {wide, "10.1.1.1:81"},
		"one rule":        {wide[:1], "127.0.0.2:80"},
		"no address":      {wide, "11.1.1.1:80"},
		"10,001 prefixes": {wide, "10.20.33.44:80"},
	} {
		b.Run(name, func(b *testing.B) {
			if err := table.Set(c.claims); err != nil {
				b.Fatal(err)
			}
			runs, total := programTime(b, table)
			for b.Loop() {
				run(b, table, unix.IPPROTO_TCP, netip.MustParseAddrPort(c.to), 10_000)
			}
			runs2, total2 := programTime(b, table)
			b.ReportMetric(float64(total2-total)/float64(runs2-runs), "ns/look-up")
		})
	}
}

func programTime(b *testing.B, table *Table) (uint64, time.Duration) {
	b.Helper()
	runs, total, err := table.ProgramTime()
	if err != nil {
		b.Fatal(err)
	}
	return runs, total
}

// slice is how long one side of a comparison runs at a time. Chosen: long against a connection, short against a change of the machine's load.
const slice = 100 * time.Millisecond

// Connections of clients that dial, and read until the server closes, plain and steered by turns. "steered/plain" is the ratio of their rates.
func BenchmarkConnections(b *testing.B) {
	ns := newNamespace(b)
	ns.serve("plain", "127.0.0.3:80")
	table := ns.table()
	attach(b, table, "web", ns.serve("steered", "127.0.0.1:0"))
	set(b, table, "tcp 127.0.0.2 80 web", "tcp 127.0.0.2 20000-20999 web")
	counts := map[string]*atomic.Int64{"127.0.0.2:80": {}, "127.0.0.3:80": {}}
	spent := map[string]time.Duration{}
	runs, total := programTime(b, table)
	for b.Loop() {
		for _, address := range []string{"127.0.0.2:80", "127.0.0.3:80", "127.0.0.3:80", "127.0.0.2:80"} {
			start := time.Now()
			var workers sync.WaitGroup
			for range 4 {
				workers.Go(func() {
					ns.do(func() {
						for time.Since(start) < slice {
							if !connect(address) {
								b.Error("a connection failed")
								return
							}
							counts[address].Add(1)
						}
					})
				})
			}
			workers.Wait()
			spent[address] += time.Since(start)
		}
	}
	runs2, total2 := programTime(b, table)
	rate := func(address string) float64 { return float64(counts[address].Load()) / spent[address].Seconds() }
	b.ReportMetric(rate("127.0.0.2:80"), "conns/s")
	b.ReportMetric(rate("127.0.0.2:80")/rate("127.0.0.3:80"), "steered/plain")
	b.ReportMetric(float64(total2-total)/float64(runs2-runs), "ns/look-up")
}

// connect dials, reads to the end and closes with a reset, so that no port stays in TIME_WAIT.
func connect(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	c.(*net.TCPConn).SetLinger(0)
	var b [64]byte
	n, _ := c.Read(b[:])
	return n > 0
}
