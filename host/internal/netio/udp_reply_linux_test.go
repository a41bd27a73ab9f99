package netio

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// idOf is a flow from a caller that dialled to.
func idOf(c *caller, to netip.AddrPort) *flowID {
	from := udpAddrPort(c.LocalAddr())
	return &flowID{local: to.Addr().As16(), localPort: to.Port(), remote: from.Addr().As16(), remotePort: from.Port()}
}

// withoutRaw makes the system refuse raw sockets, and counts how often it is asked.
func withoutRaw(t *testing.T) (asked *int) {
	before := rawSocket
	t.Cleanup(func() { rawSocket = before })
	asked = new(int)
	rawSocket = func(int) (int, error) { *asked++; return -1, unix.EPERM }
	return asked
}

// TestUDPReplyFromOtherPorts: a flow that steering brought is answered from the address and port that were dialled, whoever holds them.
func TestUDPReplyFromOtherPorts(t *testing.T) {
	asked := withoutRaw(t)
	for i, all := range []string{"0.0.0.0", "::"} {
		var r replies
		t.Cleanup(r.close)
		dialled := freePort(t, map[string]string{"0.0.0.0": "127.0.0.3", "::": "::1"}[all])
		c := call(t, dialled)
		if err := r.send(idOf(c, dialled), []byte("free")); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got != "free" || len(r.from) != 1 {
			t.Errorf("heard %q, %d sockets", got, len(r.from))
		}
		c.say("nobody hears this") // dropped by the deaf socket: no ICMP error for the next
		if err := r.send(idOf(c, dialled), []byte("again")); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got != "again" {
			t.Errorf("heard %q", got)
		}
		if *asked != i+1 {
			t.Errorf("asked %d times for a raw socket", *asked)
		}
	}
}

// freePort gives a port that nobody has at an address.
func freePort(t *testing.T, a string) netip.AddrPort {
	t.Helper()
	free, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(on(a, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return udpAddrPort(free.LocalAddr())
}

// TestUDPRepliesLeavePortsFree: replies do not keep another server from its port; where they must, not for long.
func TestUDPRepliesLeavePortsFree(t *testing.T) {
	bind := func(a netip.AddrPort) error {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		if err == nil {
			c.Close()
		}
		return err
	}
	t.Run("raw", func(t *testing.T) {
		asRoot(t)
		for _, a := range []string{"127.0.0.3", "::1"} {
			var r replies
			defer r.close()
			dialled := freePort(t, a)
			c := call(t, dialled)
			if err := r.send(idOf(c, dialled), []byte("raw")); err != nil {
				t.Fatal(err)
			}
			if got := c.hear(); got != "raw" || len(r.from) > 0 {
				t.Errorf("heard %q, %d sockets", got, len(r.from))
			}
			if err := bind(dialled); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("bound", func(t *testing.T) {
		withoutRaw(t)
		var r replies
		defer r.close()
		dialled := freePort(t, "127.0.0.3")
		c := call(t, dialled)
		for now := int64(0); now < int64(3*replyIdle); now += int64(replyIdle) - 1 { // never idle
			r.tick(now)
			if err := r.send(idOf(c, dialled), []byte("bound")); err != nil || len(r.from) != 1 {
				t.Fatal(err, len(r.from))
			}
		}
		if err := bind(dialled); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("while it is used: %v", err)
		}
		r.tick(r.now + int64(replyIdle))
		if err := bind(dialled); err != nil || len(r.from) > 0 {
			t.Errorf("when it is idle: %v, %d sockets", err, len(r.from))
		}
	})
	t.Run("listener", func(t *testing.T) { // whose clock ticks
		withoutRaw(t)
		l := listenUDP(t, newTaker())
		dialled := freePort(t, "127.0.0.3")
		if err := l.replies.send(idOf(call(t, dialled), dialled), []byte("x")); err != nil {
			t.Fatal(err)
		}
		l.tick(int64(replyIdle) + l.now())
		if err := bind(dialled); err != nil {
			t.Error(err)
		}
	})
}

// TestUDPReplyLongerThanPackets: what a raw socket cannot send in one packet goes out in fragments.
func TestUDPReplyLongerThanPackets(t *testing.T) {
	ownNetwork(t)
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetMTU(lo, 1500)
	}
	if err != nil {
		t.Fatal(err)
	}
	var r replies
	defer r.close()
	for _, a := range []string{"127.0.0.3", "::1"} {
		dialled := freePort(t, a)
		c := call(t, dialled)
		long := strings.Repeat("long", 1000)
		if err = r.send(idOf(c, dialled), []byte(long)); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got != long {
			t.Errorf("%s: heard %d bytes", a, len(got))
		}
	}
}

func TestUDPReplyFromHeldPort(t *testing.T) {
	for _, all := range []string{"0.0.0.0", "::"} {
		holder, err := net.ListenUDP("udp"+map[string]string{"0.0.0.0": "4", "::": "6"}[all], &net.UDPAddr{IP: net.ParseIP(all)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { holder.Close() })
		dialled := on(map[string]string{"0.0.0.0": "127.0.0.3", "::": "::1"}[all], udpAddrPort(holder.LocalAddr()).Port())
		c := call(t, dialled)
		var r replies
		t.Cleanup(r.close)
		for _, want := range []string{"odd", "even", strings.Repeat("long", 350)} {
			err = r.send(idOf(c, dialled), []byte(want))
			if err != nil && strings.Contains(err.Error(), "needs CAP_NET_RAW") {
				asRoot(t)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.hear(); got != want {
				t.Errorf("heard %q, not %q", got, want)
			}
		}
		if err = r.send(idOf(c, dialled), make([]byte, maxPayload+1)); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("more than fits: %v", err)
		}
	}
}

func TestUDPReplySocketsAreBounded(t *testing.T) {
	withoutRaw(t)
	var r replies
	t.Cleanup(r.close)
	const first = 10_000 // below those that the system gives to others
	c := call(t, on("127.0.0.1", 9))
	for i := range maxReplySockets + 20 {
		if err := r.send(idOf(c, on("127.0.0.9", uint16(first+i))), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.from) != maxReplySockets {
		t.Errorf("%d sockets", len(r.from))
	}
	if _, there := r.from[on("127.0.0.9", first)]; there {
		t.Error("the oldest stayed")
	}
}
