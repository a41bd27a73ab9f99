//go:build linux

package load_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHostile: crowds that open and say nothing, that speak slowly or without end, and those who try to get requests past the proxy or files from
// outside the folder. The server's memory stays bounded, each gets a clear answer or is closed, and live viewers lose nothing.
func TestHostile(t *testing.T) {
	x := newFortress(t)
	base := x.status(t).Limits.OpenFiles
	for _, attack := range []struct {
		name string
		most int64 // bytes of resident memory that it may cost
		run  func(*testing.T)
	}{
		// Measured: 5 to 8 KiB a connection. Allowed is almost twice that; the others cost next to nothing.
		{"half open", 128 << 20, x.halfOpen},
		{"slow heads", 32 << 20, x.slowRequests},
		{"header floods", 32 << 20, x.headerFloods},
		{"smuggling", 32 << 20, x.smuggling},
		{"path traversal", 32 << 20, x.traversal},
	} {
		t.Run(attack.name, func(t *testing.T) {
			x.bounded(t, attack.most, attack.run)
			x.undisturbed(t)
		})
	}
	within(t, "no connection of theirs is left", func() bool { return x.status(t).Limits.OpenFiles <= base+noise.descriptors })
	end := x.encoder.finish()
	x.audience.ended(x.healthy, map[*form]int{x.forms[0]: end, x.forms[1]: end})
	if n := x.status(t).Deliver.DroppedPackets; n > 0 {
		t.Errorf("%d packets were dropped", n)
	}
	x.server.stop()
}

// manyOpen is how many connections the test may hold: the number, or what the system lets it.
func manyOpen(t *testing.T) int {
	t.Helper()
	const wanted, others = 10_000, 500
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= wanted+others {
		return wanted
	}
	t.Logf("only %d open files are allowed, so there are fewer than %d connections", limit.Cur, wanted)
	return int(limit.Cur) - others
}

// halfOpen: ten thousand connections at once whose requests never get complete. A viewer joins among them; the server closes them all.
func (x *fortress) halfOpen(t *testing.T) {
	n := manyOpen(t)
	conns := make([]int, n)
	began := time.Now()
	x.openAll(t, conns)
	opened := time.Since(began)
	x.undisturbed(t)
	open := x.status(t).Limits.OpenFiles
	t.Logf("%d connections in %v, while the server has %d files open", n, opened.Round(time.Millisecond), open)
	if open < n/2 {
		t.Errorf("the server has %d files open; the connections were to be there together", open)
	}
	within(t, "the server has closed all of them", func() bool { return allHungUp(t, conns) })
	t.Logf("all were closed after %v", time.Since(began).Round(time.Millisecond))
	for _, fd := range conns {
		_ = unix.Close(fd)
	}
}

// openAll connects sockets, several at a time, each with another beginning of a request, or of a TLS handshake (RFC 8446 5.1).
func (x *fortress) openAll(t *testing.T, conns []int) {
	t.Helper()
	web, safe := netip.MustParseAddrPort(x.at), netip.MustParseAddrPort(x.safe)
	beginnings := []struct {
		to   netip.AddrPort
		text string
	}{{web, ""}, {web, "G"}, {web, "GET /live HTTP/1.1\r\nHost: a\r\nX-Half: "}, {safe, ""}, {safe, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}}
	var next atomic.Int64
	errs := make([]error, 8)
	var all sync.WaitGroup
	for w := range errs {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(conns) && errs[w] == nil; i = next.Add(1) - 1 {
				as := beginnings[int(i)%len(beginnings)]
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err == nil {
					conns[i] = fd
					err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(as.to.Port()), Addr: as.to.Addr().As4()})
				}
				if err == nil && as.text != "" {
					_, err = unix.Write(fd, []byte(as.text))
				}
				if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
					err = nil // closed by the server already
				}
				errs[w] = err
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// allHungUp tells whether the peers of all sockets have closed them.
func allHungUp(t *testing.T, conns []int) bool {
	t.Helper()
	polled := make([]unix.PollFd, len(conns))
	for i, fd := range conns {
		polled[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
	}
	n, err := unix.Poll(polled, 0)
	if err != nil && !errors.Is(err, unix.EINTR) {
		t.Fatal(err)
	}
	return n == len(conns)
}

// slowRequests: requests that go on and on, a byte at a time; the server ends them when their time is over.
func (x *fortress) slowRequests(t *testing.T) {
	conns := make([]net.Conn, 500)
	for i := range conns {
		c, err := net.Dial("tcp", x.at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: a\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	within(t, "the server has ended them", func() bool {
		open := 0
		for _, c := range conns {
			if _, err := io.WriteString(c, "a"); err == nil {
				open++
			}
		}
		<-tick.C
		return open == 0
	})
	if n := x.upstream.count(); n > 0 {
		t.Errorf("%d requests without an end went to the upstream server", n)
	}
}

// headerFloods: heads without end, sent as fast as the server takes them.
func (x *fortress) headerFloods(t *testing.T) {
	const peers, each = 80, 64 << 20
	line := []byte(strings.Repeat("X-Flood: "+strings.Repeat("f", 1000)+"\r\n", 16))
	var taken atomic.Int64
	crowd(t, peers, func(i int) error {
		c, err := net.Dial("tcp", x.at)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "GET /flood HTTP/1.1\r\nHost: a\r\n"); err != nil {
			return err
		}
		for sent := 0; sent < each; {
			n, err := c.Write(line)
			taken.Add(int64(n))
			sent += n
			if gone(err) {
				return nil // refused, and reset
			}
			if err != nil {
				return err
			}
		}
		return errors.New("the server took all of it")
	})
	t.Logf("%d KiB of each flood were taken, by sockets and server", taken.Load()/peers>>10)
	if n := x.upstream.count(); n > 0 {
		t.Errorf("%d requests without an end went to the upstream server", n)
	}
}
