package netio

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// speaker sends to groups by an interface.
func speaker(t testing.TB, network, from, by string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(from)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	i, err := net.InterfaceByName(by)
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if network == "udp6" {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, i.Index)
		} else {
			err = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func joined(t testing.TB, o GroupOptions) *taken {
	t.Helper()
	f, err := JoinGroup(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	k := &taken{Flow: f, in: make(chan string, 100), end: make(chan FlowEnd, 2)}
	f.Start(k)
	return k
}

func tell(t testing.TB, c *net.UDPConn, to netip.AddrPort, s string) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort([]byte(s), to); err != nil {
		t.Fatalf("send to %s: %v", to, err)
	}
}

func TestJoinGroup(t *testing.T) {
	ownNetwork(t)
	for _, c := range []struct{ network, from, by, a, b string }{
		{"udp4", "127.0.0.1", "lo", "239.192.7.7", "239.192.7.8"}, {"udp6", "", "w0", "ff05::7:7", "ff05::7:8"},
	} {
		a, b := on(c.a, 5000), on(c.b, 5000)
		first, second := joined(t, GroupOptions{Group: a, Interface: c.by}), joined(t, GroupOptions{Group: a, Interface: c.by})
		other := joined(t, GroupOptions{Group: b, Interface: c.by})
		mouth := speaker(t, c.network, c.from, c.by)
		tell(t, mouth, on(map[string]string{"udp4": "127.0.0.1", "udp6": "::1"}[c.network], 5000), "not for a group")
		tell(t, mouth, b, "to b")
		tell(t, mouth, a, "to a")
		for k, want := range map[*taken]string{first: "to a", second: "to a", other: "to b"} {
			if got := receive(t, k.in); got != want {
				t.Errorf("%s got %q, not %q", k.Local(), got, want)
			}
		}
		if first.Local() != a || first.Remote().IsValid() || first.Listener() != "" {
			t.Errorf("flow at %s from %s", first.Local(), first.Remote())
		}
		if err := first.Send([]byte("x")); err == nil {
			t.Error("a group's flow was sent by")
		}
		first.Close()
		first.Close()
		if why := receive(t, first.end); why != FlowClosed {
			t.Errorf("ended: %s", why)
		}
		tell(t, mouth, a, "more")
		if got := receive(t, second.in); got != "more" {
			t.Errorf("got %q", got)
		}
		if len(first.in)+len(other.in) != 0 {
			t.Error("a closed flow, or another group's, got something")
		}
	}
}

func TestJoinGroupOfOneSource(t *testing.T) {
	ownNetwork(t)
	group := on("232.1.2.3", 5000)
	k := joined(t, GroupOptions{Group: group, Interface: "lo", Source: netip.MustParseAddr("127.0.0.2")})
	tell(t, speaker(t, "udp4", "127.0.0.1", "lo"), group, "from the wrong one")
	tell(t, speaker(t, "udp4", "127.0.0.2", "lo"), group, "from the right one")
	if got := receive(t, k.in); got != "from the right one" {
		t.Errorf("got %q", got)
	}
}

func TestJoinGroupOwnAddress(t *testing.T) {
	free := call(t, on("127.0.0.1", 9))
	at := udpAddrPort(free.LocalAddr())
	free.Close()
	k := joined(t, GroupOptions{Group: at})
	call(t, at).say("one")
	call(t, at).say("two")
	if a, b := receive(t, k.in), receive(t, k.in); a != "one" || b != "two" {
		t.Errorf("got %q and %q", a, b)
	}
	var be *BindError
	if _, err := JoinGroup(GroupOptions{Group: at}); !errors.As(err, &be) || be.Errno != unix.EADDRINUSE {
		t.Errorf("twice: %v", err)
	}
}

func TestJoinGroupErrors(t *testing.T) {
	ownNetwork(t)
	for _, c := range []struct {
		o    GroupOptions
		is   error
		says string
	}{
		{GroupOptions{Group: on("239.1.1.1", 5000), Interface: "nope0"}, ErrNoInterface, `no interface "nope0"`},
		{GroupOptions{Group: on("239.1.1.1", 5000)}, unix.ENODEV, "name the interface"},
		{GroupOptions{Group: on("127.0.0.1", 5000), Source: netip.MustParseAddr("127.0.0.2")}, ErrNotMulticast, "not a multicast address"},
		{GroupOptions{Group: on("239.1.1.1", 5000), Source: netip.MustParseAddr("::1")}, nil, "other family"},
		{GroupOptions{}, nil, "invalid address"},
	} {
		_, err := JoinGroup(c.o)
		if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	for says, groups := range map[string][]Membership{
		"not a multicast address": {{Group: netip.MustParseAddr("192.0.2.1")}},
		"no address of its":       {{Group: netip.MustParseAddr("ff05::1"), Interface: "lo"}},
		`no interface "nope0"`:    {{Group: netip.MustParseAddr("239.1.1.1"), Interface: "nope0"}},
	} {
		_, err := ListenUDP(UDPOptions{Name: "in", Handler: newTaker(), Addresses: []netip.AddrPort{on("0.0.0.0", 5000)}, Groups: groups})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestUDPListenerGroups: a group's datagrams come once, whatever the number of workers, beside what is sent to the listener itself.
func TestUDPListenerGroups(t *testing.T) {
	ownNetwork(t)
	h := newTaker()
	l := listenUDP(t, h, func(o *UDPOptions) {
		o.Workers = 4
		o.Addresses = []netip.AddrPort{on("0.0.0.0", 5000), on("::", 5000)}
		o.Groups = []Membership{{netip.MustParseAddr("239.192.7.7"), "lo"}, {netip.MustParseAddr("ff05::7:7"), "w0"}}
	})
	foreign := joined(t, GroupOptions{Group: on("239.192.7.8", 5000), Interface: "lo"})
	for _, c := range []struct{ network, from, by, to string }{{"udp4", "127.0.0.1", "lo", "239.192.7.7"}, {"udp6", "", "w0", "ff05::7:7"}} {
		mouth, to := speaker(t, c.network, c.from, c.by), on(c.to, 5000)
		tell(t, mouth, to, "one")
		k := receive(t, h.opened)
		tell(t, mouth, to, "two")
		if a, b := receive(t, k.in), receive(t, k.in); a != "one" || b != "two" || k.Local() != to || k.Remote().Port() != udpAddrPort(mouth.LocalAddr()).Port() {
			t.Errorf("%q and %q from %s to %s", a, b, k.Remote(), k.Local())
		}
		if err := k.Send([]byte("answer")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, from, err := mouth.ReadFromUDPAddrPort(b)
		if err != nil || string(b[:n]) != "answer" || from.Port() != 5000 {
			t.Errorf("answer %q from %s: %v", b[:n], from, err)
		}
	}
	mouth := speaker(t, "udp4", "127.0.0.1", "lo")
	tell(t, mouth, on("239.192.7.8", 5000), "another's group")
	receive(t, foreign.in)
	tell(t, mouth, on("127.0.0.1", 5000), "to itself")
	if k := receive(t, h.opened); receive(t, k.in) != "to itself" {
		t.Error("what was sent to the listener's own address did not come")
	}
	if s := l.Stats(); s.Datagrams != 5 || s.Flows != 3 {
		t.Errorf("counters %+v", s)
	}
}
