//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rounds    = 11   // of each kind, by turns; chosen: the median of so many is steady
	perRound  = 2000 // connections; chosen: an eighth of a second on two cores
	atOnce    = 16   // connections
	rateFloor = 0.80 // of steered to plain. Measured is 0.95 and more; a machine that does other things too may be off by so much
)

// rate compares how many connections a second a listener takes that is steered to, with one that is bound: the same server, the same question, by turns.
func (l *lane) rate(t *testing.T) {
	plain, steered := netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("127.0.0.2:80")
	l.round(t, plain) // whatever is made once is made here
	l.round(t, steered)
	var ratios, plainRates, steeredRates []float64
	for i := range rounds {
		first, second := plain, steered
		if i%2 == 1 {
			first, second = second, first
		}
		a, b := l.round(t, first), l.round(t, second)
		if i%2 == 1 {
			a, b = b, a
		}
		plainRates, steeredRates, ratios = append(plainRates, a), append(steeredRates, b), append(ratios, b/a)
	}
	got := median(ratios)
	t.Logf("connections per second: plain %.0f, steered %.0f; steered / plain: %.3f (%.3f to %.3f in %d rounds)",
		median(plainRates), median(steeredRates), got, slices.Min(ratios), slices.Max(ratios), rounds)
	if got < rateFloor {
		t.Errorf("steered / plain is %.3f; %.2f at least", got, rateFloor)
	}
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// round makes connections, and gives how many there were in a second.
func (l *lane) round(t *testing.T, to netip.AddrPort) float64 {
	t.Helper()
	var left atomic.Int64
	left.Store(perRound)
	errs := make([]error, atOnce)
	var all sync.WaitGroup
	began := time.Now()
	for i := range errs {
		all.Go(func() {
			l.Do(func() {
				for left.Add(-1) >= 0 && errs[i] == nil {
					errs[i] = ask(to)
				}
			})
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return perRound / time.Since(began).Seconds()
}

// question is one that no plugin has to answer.
var question = []byte("GET /none HTTP/1.1\r\nHost: weir.test\r\nConnection: close\r\n\r\n")

// ask makes one connection by plain system calls, asks, and resets it, so that neither side keeps an address that has been used.
func ask(to netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return err
	}
	if err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return fmt.Errorf("connect to %v: %w", to, err)
	}
	if _, err = unix.Write(fd, question); err != nil {
		return fmt.Errorf("ask %v: %w", to, err)
	}
	var answer [512]byte
	n, err := unix.Read(fd, answer[:])
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(fd, answer[:])
	}
	if err != nil || n < 12 || string(answer[9:12]) != "404" {
		return fmt.Errorf("%v answers %q: %w", to, answer[:max(n, 0)], err)
	}
	return nil
}
