package netio

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// asRoot skips a test that the system lets only root run; where root is
// expected that is a failure.
func asRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// ownNetwork puts the test's goroutine into a network namespace of its own,
// with loopback up; its thread ends with it.
func ownNetwork(t testing.TB) {
	t.Helper()
	asRoot(t)
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("unshare: %v", err)
		}
		t.Skipf("unshare: %v", err)
	}
	loopbackUp(t)
}

// loopbackUp brings loopback up, and a pair of interfaces: loopback carries no
// IPv6 groups.
func loopbackUp(t testing.TB) {
	t.Helper()
	for _, name := range []string{"dad_transmits", "accept_dad"} { // addresses are usable at once
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+name, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "w0"}, PeerName: "w1"}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lo", "w1", "w0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err = netlink.LinkSetUp(link); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); !routesGroups("w0"); { // the kernel does that a while after both ends are up
		if runtime.Gosched(); time.Now().After(end) {
			t.Fatal("w0 has no address of its own that groups can be sent to from")
		}
	}
}

// routesGroups tells whether the kernel has given an interface its IPv6 address, which it uses some time after it shows it, and the route of groups.
func routesGroups(name string) bool {
	c, err := net.DialUDP("udp6", nil, &net.UDPAddr{IP: net.ParseIP("ff05::7:7"), Port: 9, Zone: name})
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// taker is a UDPHandler and a FlowSink for each flow it is given.
type taker struct {
	refuse func(first []byte) bool
	opened chan *taken
	got    func(k *taken, datagram []byte)

	mu    sync.Mutex
	flows []*taken
}

// taken is one flow as its sink saw it.
type taken struct {
	*Flow
	plugin string
	first  string
	in     chan string
	end    chan FlowEnd
	by     *taker
}

func newTaker() *taker { return &taker{opened: make(chan *taken, 1<<12)} }

func (h *taker) ServeFlow(f *Flow, plugin string, first []byte) FlowSink {
	if h.refuse != nil && h.refuse(first) {
		return nil
	}
	k := &taken{Flow: f, plugin: plugin, first: string(first), in: make(chan string, 1<<10), end: make(chan FlowEnd, 2), by: h}
	h.mu.Lock()
	h.flows = append(h.flows, k)
	h.mu.Unlock()
	select {
	case h.opened <- k:
	default:
	}
	return k
}

func (k *taken) Datagrams(sizes []int, b []byte) {
	total := 0
	for _, n := range sizes {
		datagram := b[:n]
		b = b[n:]
		total += n
		if k.by != nil && k.by.got != nil {
			k.by.got(k, datagram)
			continue
		}
		select {
		case k.in <- string(datagram):
		default:
		}
	}
	if len(b) != 0 {
		panic(fmt.Sprintf("%d bytes belong to no datagram", len(b)))
	}
}

func (k *taken) Ended(reason FlowEnd) { k.end <- reason }

var anything = []Pattern{{Plugin: "any"}}

// listenUDP starts a listener that ends with the test.
func listenUDP(t testing.TB, h UDPHandler, change ...func(*UDPOptions)) *UDPListener {
	t.Helper()
	o := UDPOptions{Name: "in", Addresses: []netip.AddrPort{loopback}, Raw: anything, Handler: h}
	for _, c := range change {
		c(&o)
	}
	l, err := ListenUDP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// caller is a client; connected, it hears only the address that it sends to.
type caller struct {
	*net.UDPConn
	t testing.TB
}

func call(t testing.TB, to netip.AddrPort) *caller {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &caller{c, t}
}

func (c *caller) say(s string) {
	c.t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) hear() string {
	c.t.Helper()
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(bytes.Clone(b[:n]))
}

func on(a string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(a), port)
}
