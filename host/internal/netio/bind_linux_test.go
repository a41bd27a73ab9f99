package netio

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBind: what is bound has the longest queue that the system allows, and what it
// accepts asks silent peers whether they are there.
func TestBind(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := Bind([]netip.AddrPort{loopback})
	if err != nil {
		t.Fatal(err)
	}
	defer bound[0].Close()
	control(t, bound[0], func(fd int) {
		state, failed := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if failed != nil || int(state.Sacked) != most { // of a listening socket: its backlog
			t.Errorf("backlog %d, %v; the system allows %d", state.Sacked, failed, most)
		}
	})
	peer, err := net.Dial("tcp", bound[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := bound[0].AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	control(t, c, func(fd int) {
		for name, want := range map[int]int{unix.TCP_KEEPIDLE: keepAliveSeconds, unix.TCP_KEEPINTVL: keepAliveSeconds, unix.TCP_KEEPCNT: keepAliveProbes} {
			if got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, name); err != nil || got != want {
				t.Errorf("option %d is %d, %v, not %d", name, got, err, want)
			}
		}
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || on != 1 {
			t.Errorf("keep-alive is %d, %v", on, err)
		}
	})
}

// control runs f with the descriptor of a socket.
func control(t *testing.T, c syscall.Conn, f func(fd int)) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}
