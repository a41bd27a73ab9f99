package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUDPFlows(t *testing.T) {
	h := newTaker()
	l := listenUDP(t, h, func(o *UDPOptions) {
		o.Addresses = []netip.AddrPort{on("0.0.0.0", 0), on("::", 0)}
		o.Raw = []Pattern{{Plugin: "rtp", Bytes: []byte{0x80}, Mask: []byte{0xC0}}, {Plugin: "ts", Bytes: []byte{0x47}}}
	})
	if s := l.Stats(); s.Rung != RungOne || s.Workers != 2 {
		t.Errorf("spread by %q over %d sockets", s.Rung, s.Workers)
	}
	for i, local := range []string{"127.0.0.2", "127.0.0.1", "::1"} {
		to := on(local, l.Addrs()[i/2].Port())
		c := call(t, to)
		c.say("unknown")
		c.say("Gone")
		c.say("G")
		k := receive(t, h.opened)
		if k.plugin != "ts" || k.first != "Gone" || k.Listener() != "in" || k.Local() != to || k.Remote() != udpAddrPort(c.LocalAddr()) {
			t.Errorf("flow of %q, first %q, at %q: %s from %s", k.plugin, k.first, k.Listener(), k.Local(), k.Remote())
		}
		if a, b := receive(t, k.in), receive(t, k.in); a != "Gone" || b != "G" {
			t.Errorf("got %q and %q", a, b)
		}
		if err := k.Send([]byte("answer")); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got != "answer" {
			t.Errorf("heard %q", got)
		}
	}
	s := l.Stats()
	if s.Flows != 3 || s.Opened != 3 || s.Datagrams != 9 || s.Dropped[DropUnknown] != 3 || s.Sent != 3 {
		t.Errorf("counters: %+v", s)
	}
}

func TestUDPFlowEnds(t *testing.T) {
	h := newTaker()
	h.got = func(k *taken, d []byte) {
		if string(d) == "bye" {
			k.Close()
		}
	}
	l := listenUDP(t, h)
	open := func() (*caller, *taken) {
		c := call(t, l.Addrs()[0])
		c.say("hello")
		return c, receive(t, h.opened)
	}
	c, k := open()
	c.say("bye")
	if why := receive(t, k.end); why != FlowClosed {
		t.Errorf("closed in its own call: %s", why)
	}
	if err := k.Send([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("send after the end: %v", err)
	}
	c.say("hello again")
	if again := receive(t, h.opened); again.Flow == k.Flow {
		t.Error("an ended flow came back")
	}
	_, k = open()
	k.Close()
	k.Close()
	if why := receive(t, k.end); why != FlowClosed {
		t.Errorf("closed: %s", why)
	}
	_, k = open()
	l.Stop()
	call(t, l.Addrs()[0]).say("too late")
	eventually(t, "a flow after Stop is dropped", func() bool { return l.Stats().Dropped[DropClosing] == 1 })
	l.Close()
	if why := receive(t, k.end); why != FlowStopped {
		t.Errorf("at the listener's close: %s", why)
	}
	if s := l.Stats(); s.Ended[FlowClosed] != 2 || s.Ended[FlowStopped] != 2 || s.Flows != 0 {
		t.Errorf("counters: %+v", s)
	}
}

func TestUDPIdle(t *testing.T) {
	h := newTaker()
	l := listenUDP(t, h, func(o *UDPOptions) { o.IdleTimeout = 20 * time.Millisecond })
	c := call(t, l.Addrs()[0])
	c.say("hello")
	if why := receive(t, receive(t, h.opened).end); why != FlowIdle {
		t.Errorf("ended: %s", why)
	}
}

func TestUDPRefused(t *testing.T) {
	h := newTaker()
	var asked atomic.Int32
	h.refuse = func(first []byte) bool {
		asked.Add(1)
		return strings.HasPrefix(string(first), "no")
	}
	l := listenUDP(t, h)
	c := call(t, l.Addrs()[0])
	for range 50 {
		c.say("no")
	}
	c.say("yes, but of a refused flow")
	eventually(t, "all are dropped", func() bool { return l.Stats().Dropped[DropRefused] == 51 })
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	call(t, l.Addrs()[0]).say("yes")
	receive(t, h.opened)
	if s := l.Stats(); s.Flows != 1 || s.Refusals != 1 {
		t.Errorf("counters: %+v", s)
	}
}

func TestUDPBindErrors(t *testing.T) {
	h := newTaker()
	l := listenUDP(t, h)
	taken := l.Addrs()[0]
	for _, c := range []struct {
		address netip.AddrPort
		errno   syscall.Errno
	}{{taken, unix.EADDRINUSE}, {on("0.0.0.0", taken.Port()), unix.EADDRINUSE}, {on("192.0.2.1", 5), unix.EADDRNOTAVAIL}} {
		_, err := ListenUDP(UDPOptions{Name: "x", Handler: h, Workers: 4, Addresses: []netip.AddrPort{loopback, c.address}})
		var be *BindError
		if !errors.As(err, &be) || be.Address != c.address || be.Errno != c.errno {
			t.Errorf("%s: %v", c.address, err)
		}
	}
	for want, o := range map[string]UDPOptions{
		"no address": {Handler: h}, "no handler": {Addresses: []netip.AddrPort{loopback}},
		"65 workers": {Handler: h, Addresses: []netip.AddrPort{loopback}, Workers: 65},
		"flow id":    {Handler: h, Addresses: []netip.AddrPort{loopback}, Key: FlowKey{Offset: 0, Length: 9}},
		"pattern":    {Handler: h, Addresses: []netip.AddrPort{loopback}, Raw: []Pattern{{Bytes: []byte{1}, Mask: []byte{0}}}},
	} {
		if _, err := ListenUDP(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestUDPWorkers: the kernel's hash spreads flows, and none is mixed up.
func TestUDPWorkers(t *testing.T) {
	const flows, each = 40, 250
	h := newTaker()
	var wrong, count atomic.Int64
	h.got = func(k *taken, d []byte) {
		if count.Add(1); string(d) != k.first {
			wrong.Add(1)
		}
	}
	l := listenUDP(t, h, func(o *UDPOptions) { o.Workers = 4 })
	callers := make([]*caller, flows)
	for i := range callers {
		callers[i] = call(t, l.Addrs()[0])
	}
	for range each {
		for i, c := range callers {
			c.say(fmt.Sprint("flow", i))
		}
	}
	eventually(t, "all arrive", func() bool { return count.Load() == flows*each })
	if s := l.Stats(); wrong.Load() != 0 || s.Rung != RungHash || s.Workers != 4 || s.Flows != flows || s.Moved != 0 {
		t.Errorf("%d of a wrong flow; counters %+v", wrong.Load(), s)
	}
	if err := l.Flip(6); err != nil {
		t.Fatal(err)
	}
	if err := l.Flip(2); err == nil || l.Stats().Workers != 6 {
		t.Error("the kernel's hash let go of sockets")
	}
}

// TestUDPFlowKey: one sender's datagrams are flows by their id, whatever the kernel puts together.
func TestUDPFlowKey(t *testing.T) {
	h := newTaker()
	l := listenUDP(t, h, func(o *UDPOptions) { o.Key = FlowKey{Offset: 2, Length: 2} })
	c := call(t, l.Addrs()[0])
	for _, d := range []string{"0-AA", "1-BB", "2-AA", "3-BBx", "4"} {
		c.say(d)
	}
	for _, want := range [][]string{{"0-AA", "2-AA"}, {"1-BB", "3-BBx"}, {"4"}} {
		k := receive(t, h.opened)
		for _, w := range want {
			if got := receive(t, k.in); got != w {
				t.Errorf("got %q, not %q", got, w)
			}
		}
	}
}

// TestUDPSegments: what the sender had the kernel cut (UDP_SEGMENT) comes as datagrams.
func TestUDPSegments(t *testing.T) {
	h := newTaker()
	l := listenUDP(t, h)
	c := call(t, l.Addrs()[0])
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err = setInt(raw, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000); err != nil {
		t.Skipf("UDP_SEGMENT: %v", err)
	}
	c.say(strings.Repeat("x", 60*1000+1))
	k := receive(t, h.opened)
	for i := range 61 {
		if n := len(receive(t, k.in)); n != 1000 && i < 60 || i == 60 && n != 1 {
			t.Fatalf("datagram %d of %d bytes", i, n)
		}
	}
	if s := l.Stats(); s.Datagrams != 61 || s.Bytes != 60001 {
		t.Errorf("counters %+v", s)
	}
}

// TestUDPTakeOver: what one listener's sockets hold, the other reads.
func TestUDPTakeOver(t *testing.T) {
	h := newTaker()
	old := listenUDP(t, h, func(o *UDPOptions) { o.Workers = 3 })
	var inherited []*net.UDPConn
	for _, c := range old.Sockets()[0] {
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.FilePacketConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		inherited = append(inherited, p.(*net.UDPConn))
	}
	old.Close()
	c := call(t, old.Addrs()[0])
	for i := range 100 {
		c.say(fmt.Sprint(i))
	}
	fresh := listenUDP(t, h, func(o *UDPOptions) {
		o.Sockets, o.Workers = [][]*net.UDPConn{inherited}, 3 // besides a new address
	})
	k := receive(t, h.opened)
	for i := range 100 {
		if got := receive(t, k.in); got != fmt.Sprint(i) {
			t.Fatalf("got %q as number %d", got, i)
		}
	}
	call(t, fresh.Addrs()[1]).say("new")
	receive(t, h.opened)
	if fresh.Addrs()[0] != old.Addrs()[0] || fresh.Stats().Workers != 6 {
		t.Errorf("%s with %+v", fresh.Addrs()[0], fresh.Stats())
	}
}
