package host

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/netio/holder"
	"github.com/weir-media/weir/host/internal/nserr"
	"github.com/weir-media/weir/host/internal/steer"
)

// TestExplain: what helps depends on who has the address, on the rights, and on the configuration.
func TestExplain(t *testing.T) {
	nginx := holder.Holder{PID: 123, Sharing: 2, Program: "nginx", User: "root", Address: netip.MustParseAddrPort("0.0.0.0:80")}
	on := func(steering config.Steer) config.Listener { return config.Listener{Name: "web", Steer: steering} }
	lacks := func(what string) *steer.Unavailable { return &steer.Unavailable{Missing: what, Err: syscall.EPERM} }
	udp := config.Listener{Name: "in", UDP: true, Steer: config.SteerOff, Datagrams: config.Datagrams{Groups: []netip.Addr{netip.MustParseAddr("239.1.1.1")}}}
	for _, c := range []struct {
		name    string
		trouble trouble
		at      string
		errno   syscall.Errno
		code    nserr.Code
		says    string // parts, in this order, with "…" between them
	}{
		{"held, not to be steered", trouble{listener: on(config.SteerOff), holders: []holder.Holder{nginx}}, "0.0.0.0:80", syscall.EADDRINUSE, nserr.PortInUseHTTP,
			"0xC00D158B listener web: listen on 0.0.0.0:80: address already in use by nginx (pid 123 and 2 more, user root); end nginx…another port…single addresses…steer: auto…, AGAIN"},
		{"one address, not to be steered", trouble{listener: on(config.SteerOff), holders: []holder.Holder{nginx}}, "127.0.0.2:80", syscall.EADDRINUSE, nserr.PortInUseHTTP,
			"take just this address from it (steer: auto)"},
		{"one right is missing", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{nginx}, steer: lacks("CAP_BPF")}, "127.0.0.2:80", syscall.EADDRINUSE,
			nserr.PortInUseHTTP, "by nginx…or give weir CAP_BPF, which it lacks…AmbientCapabilities"},
		{"both rights are missing", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{nginx}, steer: lacks("CAP_BPF and CAP_NET_ADMIN")}, "127.0.0.2:80",
			syscall.EADDRINUSE, nserr.PortInUseHTTP, "give weir CAP_BPF and CAP_NET_ADMIN, which"},
		{"the kernel is old", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{nginx}, steer: lacks("a kernel from 5.9 on")}, "127.0.0.2:80",
			syscall.EADDRINUSE, nserr.PortInUseHTTP, "what it lacks to steer the address to itself: a kernel from 5.9 on"},
		{"held on one address only", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{{PID: 5, Program: "x", Address: netip.MustParseAddrPort("127.0.0.1:80")}}},
			"0.0.0.0:80", syscall.EADDRINUSE, nserr.PortInUseHTTP, "choose addresses without 127.0.0.1"},
		{"held by nobody to be seen", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{{}}}, "0.0.0.0:80", syscall.EADDRINUSE, nserr.PortInUseHTTP,
			"by another program (its process is not visible to this user); end that program"},
		{"held by this weir", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{{PID: 9, Kind: holder.Self}}}, "0.0.0.0:80", syscall.EADDRINUSE, nserr.PortInUseHTTP,
			"by this weir itself (pid 9); another listener, the admin API"},
		{"held by another weir", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{{PID: 9, Kind: holder.Sibling}}}, "0.0.0.0:80", syscall.EADDRINUSE,
			nserr.PortInUseHTTP, "by another weir (pid 9); replace that weir (weir serve --takeover)"},
		{"held for a unit", trouble{listener: on(config.SteerAuto), holders: []holder.Holder{{PID: 1, Program: "systemd", Kind: holder.Systemd}}}, "0.0.0.0:80", syscall.EADDRINUSE,
			nserr.PortInUseHTTP, "by systemd (pid 1); start weir by the socket unit"},
		{"UDP", trouble{listener: udp, holders: []holder.Holder{nginx}}, "0.0.0.0:80", syscall.EADDRINUSE, nserr.PortInUse, "0xC00D158A listener in"},
		{"no right", trouble{listener: on(config.SteerAuto), privileged: 1024, steer: lacks("CAP_NET_ADMIN")}, "0.0.0.0:80", syscall.EACCES, 0,
			"CAP_NET_BIND_SERVICE…systemd open the port…ip_unprivileged_port_start=80…a port from 1024 on…CAP_NET_ADMIN"},
		{"no right, and held", trouble{listener: on(config.SteerAuto), privileged: 1024, holders: []holder.Holder{nginx}, steer: lacks("CAP_BPF and CAP_NET_ADMIN")}, "0.0.0.0:80",
			syscall.EACCES, nserr.PortInUseHTTP, "permission denied, and the address is in use by nginx (pid 123 and 2 more, user root); end nginx and give weir CAP_NET_BIND_SERVICE…" +
				"a port from 1024 on, or give weir CAP_BPF and CAP_NET_ADMIN"},
		{"no right above the line", trouble{listener: on(config.SteerAuto), privileged: 80}, "0.0.0.0:80", syscall.EACCES, 0, "a security module"},
		{"no such address", trouble{listener: on(config.SteerAuto)}, "192.0.2.1:80", syscall.EADDRNOTAVAIL, 0, "cannot assign requested address; take an address that this computer has (…127.0.0.1…add 192.0.2.1"},
		{"no such group", trouble{listener: udp}, "239.1.1.1:80", syscall.EADDRNOTAVAIL, nserr.BadMulticastAddress, "0xC00D0038…name the interface"},
		{"no such interface", trouble{listener: config.Listener{Name: "in", UDP: true, Datagrams: config.Datagrams{Interface: "nowhere0"}}}, "239.1.1.1:80", syscall.ENODEV,
			nserr.BadMulticastAddress, "there is no interface nowhere0 here"},
		{"too many files", trouble{listener: on(config.SteerAuto)}, "0.0.0.0:80", syscall.EMFILE, 0, "LimitNOFILE"},
		{"anything else", trouble{listener: on(config.SteerAuto)}, "0.0.0.0:80", syscall.EINVAL, 0, "see listeners.web in the configuration"},
	} {
		c.trouble.again, c.trouble.address = "AGAIN", netip.MustParseAddrPort(c.at)
		e := c.trouble.explain(&netio.BindError{Address: c.trouble.address, Errno: c.errno, Err: c.errno})
		if e.Code != c.code || !inOrder(e.Error(), strings.Split(c.says, "…")) || !strings.HasSuffix(e.Remedy, ", AGAIN") {
			t.Errorf("%s: %s\n%s\nwant %q", c.name, e.Code, e, c.says)
		}
		if strings.Contains(e.Error(), "\n") || strings.Contains(e.Error(), ", ,") || strings.Contains(e.Error(), ", or ,") {
			t.Errorf("%s: not one good line: %q", c.name, e)
		}
	}
}

func inOrder(text string, parts []string) bool {
	for _, p := range parts {
		_, after, found := strings.Cut(text, p)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// TestExplainClaim: a prefix can only be steered, so there is no address to bind.
func TestExplainClaim(t *testing.T) {
	lacks := &steer.Unavailable{Missing: "CAP_BPF", Err: syscall.EPERM}
	e := trouble{listener: config.Listener{Name: "wide"}, steer: lacks, again: "AGAIN"}.explain(lacks)
	if e.Code != 0 || !inOrder(e.Error(), []string{"listener wide: steering is unavailable: it needs CAP_BPF", "give weir CAP_BPF", "AGAIN"}) {
		t.Error(e)
	}
}

func FuzzPort(f *testing.F) {
	f.Add("1024\n")
	f.Fuzz(func(_ *testing.T, text string) { parsePort(text) })
}
