package netio

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
)

// deafSocket is a descriptor that no datagram can be read from.
type deafSocket struct{ fd uintptr }

func (d deafSocket) Control(f func(fd uintptr)) error    { f(d.fd); return nil }
func (d deafSocket) Read(f func(fd uintptr) bool) error  { f(d.fd); return nil }
func (d deafSocket) Write(f func(fd uintptr) bool) error { f(d.fd); return nil }

// TestReadErrorsAreTold: a failed read is counted, and logged the first time.
func TestReadErrorsAreTold(t *testing.T) {
	var log bytes.Buffer
	l := listenUDP(t, newTaker(), func(o *UDPOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	r := newUDPReader(&udpSocket{raw: deafSocket{in.Fd()}}, l, FlowKey{})
	for range 2 {
		if err = r.turn(); err != nil {
			t.Error(err)
		}
	}
	if n := l.Stats().ReadErrors; n != 2 {
		t.Errorf("%d errors are counted", n)
	}
	if n := strings.Count(log.String(), "socket operation on non-socket"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
}

// TestInheritedSocketsAreNotLeaked: those that are read already are closed when a later one is of no use.
func TestInheritedSocketsAreNotLeaked(t *testing.T) {
	var conns []*net.UDPConn
	for range 4 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	conns[2].Close()
	l, err := ListenUDP(UDPOptions{Name: "in", Sockets: [][]*net.UDPConn{conns}, Raw: anything, Handler: newTaker()})
	if err == nil {
		l.Close()
		t.Fatal("a closed socket was taken")
	}
	for i, c := range conns {
		if _, err := c.WriteToUDP([]byte("x"), c.LocalAddr().(*net.UDPAddr)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("socket %d is still open: %v", i, err)
		}
	}
}
