package steer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// patience is how long anything may take that is not being measured.
const patience = 20 * time.Second

// namespace is a network namespace of a test's own, with nothing but a loopback interface. It ends with its last socket.
type namespace struct {
	t    testing.TB
	file *os.File
}

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		f()
	}()
	<-done
}

// newNamespace makes a namespace, or skips the test where there are no rights to.
func newNamespace(t testing.TB) *namespace {
	t.Helper()
	ns := &namespace{t: t}
	var err error
	onThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		if ns.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return
		}
		err = loopback()
	})
	if errors.Is(err, unix.EPERM) {
		without(t, fmt.Errorf("make a network namespace: %w", err))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.file.Close() })
	return ns
}

// without skips a test that the system refuses, unless it is the one where all must run.
func without(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" && os.Getuid() == 0 {
		t.Fatal(err)
	}
	t.Skip(err)
}

// loopback brings up lo, with all of fd00:7::/64 on it; only fd00:7::1 can be bound.
func loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	_, wide, _ := net.ParseCIDR("fd00:7::/64")
	one := netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP("fd00:7::1"), Mask: net.CIDRMask(128, 128)}, Flags: unix.IFA_F_NODAD}
	if err := netlink.AddrAdd(lo, &one); err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: wide, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL})
}

// do runs f on a thread in the namespace. f may fail the test.
func (ns *namespace) do(f func()) {
	ns.t.Helper()
	before := ns.t.Failed()
	onThread(func() {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			ns.t.Error(err)
			return
		}
		f()
	})
	if !before && ns.t.Failed() {
		ns.t.FailNow()
	}
}

// table opens a table in the namespace.
func (ns *namespace) table() *Table {
	ns.t.Helper()
	var table *Table
	var err error
	ns.do(func() { table, err = Open(Options{}) })
	var none *Unavailable
	if errors.As(err, &none) && errors.Is(err, unix.EPERM) {
		without(ns.t, err)
	}
	if err != nil {
		ns.t.Fatal(err)
	}
	ns.t.Cleanup(func() {
		if err := table.Close(); err != nil {
			ns.t.Error(err)
		}
	})
	return table
}

// family keeps 0.0.0.0 from meaning IPv6 too.
func family(address string) string {
	if strings.HasPrefix(address, "[") {
		return "6"
	}
	return "4"
}

// listen opens a TCP listener in the namespace.
func (ns *namespace) listen(address string) *net.TCPListener {
	ns.t.Helper()
	var l *net.TCPListener
	ns.do(func() {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		got, err := config.Listen(context.Background(), "tcp"+family(address), address)
		if err != nil {
			ns.t.Error(err)
			return
		}
		l = got.(*net.TCPListener)
	})
	ns.t.Cleanup(func() { l.Close() })
	return l
}

// serve opens a TCP listener that tells each client its name and the address it thinks that was dialled.
func (ns *namespace) serve(name, address string) *net.TCPListener {
	ns.t.Helper()
	l := ns.listen(address)
	done := make(chan struct{})
	go func() {
		defer close(done)
		answer(l, name)
	}()
	ns.t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l
}

// answer serves a listener until it is closed.
func answer(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%s at %v", name, c.LocalAddr())
		c.Close()
	}
}

// ask is what the server at an address says. It runs on a thread in the namespace.
func ask(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c)
	return string(b), err
}

// expect asks and compares the server's name, and the address with that dialled.
func (ns *namespace) expect(address, name string) {
	ns.t.Helper()
	ns.do(func() {
		got, err := ask(address)
		if name == "" {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				ns.t.Errorf("%s: got %q, %v; want a refusal", address, got, err)
			}
			return
		}
		if err != nil || got != name+" at "+address {
			ns.t.Errorf("%s: got %q, %v; want %s", address, got, err, name)
		}
	})
}

// set sets claims in the words of claim, with names for listeners.
func set(t testing.TB, table *Table, lines ...string) {
	t.Helper()
	if err := table.Set(claims(lines...)); err != nil {
		t.Fatal(err)
	}
}

// attach attaches a TCP listener for the family that it is bound in.
func attach(t testing.TB, table *Table, name string, l *net.TCPListener) {
	t.Helper()
	if err := table.Attach(name, TCP, strings.HasPrefix(l.Addr().String(), "["), l); err != nil {
		t.Fatal(err)
	}
}

// stats are the counters of a listener.
func stats(t testing.TB, table *Table, name string, p Protocol) Stats {
	t.Helper()
	all, err := table.Stats()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Listener == name && s.Protocol == p {
			return s
		}
	}
	t.Fatalf("no counters of %v listener %s: %v", p, name, all)
	return Stats{}
}

// packets opens a UDP socket in the namespace; several may share a port.
func (ns *namespace) packets(address string) *net.UDPConn {
	ns.t.Helper()
	var c *net.UDPConn
	ns.do(func() {
		config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}}
		got, err := config.ListenPacket(context.Background(), "udp"+family(address), address)
		if err != nil {
			ns.t.Error(err)
			return
		}
		c = got.(*net.UDPConn)
		c.SetDeadline(time.Now().Add(patience))
	})
	ns.t.Cleanup(func() { c.Close() })
	return c
}
