package holder

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// find asks with a deadline that only a broken machine reaches.
func find(t *testing.T, udp bool, a netip.AddrPort) []Holder {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all, err := Find(ctx, udp, a)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func at(address string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), port)
}

func listenTCP(t *testing.T, network, address string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("listen on %s: %v", address, err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

func TestTheHolderIsThisProcess(t *testing.T) {
	for _, c := range []struct {
		network, address string
		wanted, free     []string
	}{
		{"tcp4", "127.0.0.1:0", []string{"127.0.0.1", "0.0.0.0"}, []string{"127.0.0.2", "::1"}},
		{"tcp4", "0.0.0.0:0", []string{"127.0.0.1", "0.0.0.0", "127.0.0.9"}, []string{"::1", "::"}},
		{"tcp6", "[::1]:0", []string{"::1", "::"}, []string{"127.0.0.1", "2001:db8::1"}},
		{"tcp6", "[::]:0", []string{"::1", "::", "2001:db8::1"}, []string{"127.0.0.1"}}, // Go sets IPV6_V6ONLY for tcp6
		{"tcp", "[::]:0", []string{"::1", "::", "127.0.0.1", "0.0.0.0"}, nil},
	} {
		held := listenTCP(t, c.network, c.address)
		for _, a := range c.wanted {
			all := find(t, false, at(a, held.Port()))
			if len(all) != 1 || all[0].PID != os.Getpid() || all[0].Kind != Self || all[0].Address.Port() != held.Port() {
				t.Errorf("%s %s holds %s: found %+v", c.network, held, a, all)
			}
		}
		for _, a := range c.free {
			if all := find(t, false, at(a, held.Port())); len(all) != 0 {
				t.Errorf("%s %s leaves %s free: found %+v", c.network, held, a, all)
			}
		}
		if all := find(t, true, held); len(all) != 0 {
			t.Errorf("TCP %s is taken for UDP: %+v", held, all)
		}
	}
}

func TestUDP(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"} {
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Skipf("listen on %s: %v", address, err)
		}
		held := conn.LocalAddr().(*net.UDPAddr).AddrPort()
		if all := find(t, true, held); len(all) != 1 || all[0].Kind != Self {
			t.Errorf("UDP %s: found %+v", held, all)
		}
		conn.Close()
		if all := find(t, true, held); len(all) != 0 {
			t.Errorf("UDP %s is closed: found %+v", held, all)
		}
	}
}

// TestConnectionsOfAListener: hundreds of them do not hide it, and none of them is named.
func TestConnectionsOfAListener(t *testing.T) {
	held := listenTCP(t, "tcp4", "127.0.0.1:0")
	for range 100 {
		c, err := net.Dial("tcp4", held.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if all := find(t, false, held); len(all) != 1 || all[0].Address != held {
		t.Errorf("found %+v", all)
	}
}

// TestNoTimeLeft: who holds the address is known then, but not with which process.
func TestNoTimeLeft(t *testing.T) {
	held := listenTCP(t, "tcp4", "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	all, err := Find(ctx, false, held)
	if err != nil || len(all) != 1 || all[0].PID != 0 || !strings.Contains(all[0].String(), "not visible") {
		t.Errorf("found %v, %v", all, err)
	}
}

// TestBothWaysAgree compares sock_diag with /proc/net, which knows less of IPv6 sockets.
func TestBothWaysAgree(t *testing.T) {
	for _, udp := range []bool{false, true} {
		var port uint16
		if udp {
			c, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			port = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		} else {
			port = listenTCP(t, "tcp4", "127.0.0.1:0").Port()
		}
		asked, err := ask(udp, port)
		if err != nil {
			t.Skipf("sock_diag: %v", err)
		}
		read, err := readNet(context.Background(), udp, port)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(asked, read) || len(asked) != 1 {
			t.Errorf("udp %v: sock_diag %+v, /proc/net %+v", udp, asked, read)
		}
	}
}

func TestText(t *testing.T) {
	for want, h := range map[string]Holder{
		"nginx (pid 12 and 4 more, user root)":                                       {PID: 12, Sharing: 4, Program: "nginx", User: "root"},
		"another weir (pid 9)":                                                       {PID: 9, Program: "weir", Kind: Sibling},
		"this weir itself (pid 9)":                                                   {PID: 9, Program: "weir", Kind: Self, User: "x"},
		"systemd (pid 1, user root)":                                                 {PID: 1, Program: "systemd", User: "root", Kind: Systemd},
		"another program (its process is not visible to this user)":                  {},
		"another program of user www-data (its process is not visible to this user)": {User: "www-data"},
	} {
		if h.String() != want {
			t.Errorf("got %q, want %q", h, want)
		}
	}
}
