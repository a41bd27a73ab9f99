package netio

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// idOf is a flow from a caller that dialled to.
func idOf(c *caller, to netip.AddrPort) *flowID {
	from := udpAddrPort(c.LocalAddr())
	return &flowID{local: to.Addr().As16(), localPort: to.Port(), remote: from.Addr().As16(), remotePort: from.Port()}
}

// TestUDPReplyFromOtherPorts: a flow that steering brought is answered from the address and port that were dialled, whoever holds them.
func TestUDPReplyFromOtherPorts(t *testing.T) {
	for _, all := range []string{"0.0.0.0", "::"} {
		var r replies
		t.Cleanup(r.close)
		dialled := on(map[string]string{"0.0.0.0": "127.0.0.3", "::": "::1"}[all], 0)
		free, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(dialled))
		if err != nil {
			t.Fatal(err)
		}
		dialled = udpAddrPort(free.LocalAddr())
		c := call(t, dialled)
		free.Close()
		if err = r.send(idOf(c, dialled), []byte("free")); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got != "free" || len(r.from) != 1 {
			t.Errorf("heard %q, %d sockets", got, len(r.from))
		}
		c.say("nobody hears this") // dropped by the deaf socket: no ICMP error for the next
		if err = r.send(idOf(c, dialled), []byte("again")); err != nil {
			t.Fatal(err)
		}
		if got := c.hear(); got != "again" {
			t.Errorf("heard %q", got)
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
	var r replies
	t.Cleanup(r.close)
	c := call(t, on("127.0.0.1", 9))
	for i := range maxReplySockets + 20 {
		if err := r.send(idOf(c, on("127.0.0.9", uint16(40000+i))), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.from) != maxReplySockets {
		t.Errorf("%d sockets", len(r.from))
	}
	if _, there := r.from[on("127.0.0.9", 40000)]; there {
		t.Error("the oldest stayed")
	}
}
