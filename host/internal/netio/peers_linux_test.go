package netio

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// heard is the sink of a flow.
type heard struct {
	got   chan string
	ended chan FlowEnd
}

func newHeard() *heard { return &heard{make(chan string, 16), make(chan FlowEnd, 1)} }

func (h *heard) Datagrams(sizes []int, b []byte) {
	for _, n := range sizes {
		h.got <- string(b[:n])
		b = b[n:]
	}
}

func (h *heard) Ended(why FlowEnd) { h.ended <- why }

func awaited[T any](t *testing.T, from <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return x
}

// aPeer is a program that another protocol has told of.
func aPeer(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, udpAddrPort(c.LocalAddr())
}

var home = netip.MustParseAddr("127.0.0.1")

// TestPeers: two sessions' flows share two neighbouring ports; each hears its own peer, and
// nobody hears a stranger.
func TestPeers(t *testing.T) {
	var p Peers
	defer p.Close()
	one, at1 := aPeer(t)
	two, at2 := aPeer(t)
	stranger, _ := aPeer(t)
	dial := func(o PeerOptions) (*Flow, *heard) {
		o.Local = home
		f, err := p.Dial(o)
		if err != nil {
			t.Fatal(err)
		}
		h := newHeard()
		f.Start(h)
		return f, h
	}
	rtp1, heard1 := dial(PeerOptions{Remote: at1})
	rtcp1, _ := dial(PeerOptions{Remote: at1, Odd: true})
	rtp2, heard2 := dial(PeerOptions{Remote: at2})
	if rtp1.Local() != rtp2.Local() || rtp1.Local().Port()%2 != 0 || rtcp1.Local().Port() != rtp1.Local().Port()+1 || rtp1.Remote() != at1 {
		t.Fatalf("%v, %v and %v to %v", rtp1.Local(), rtcp1.Local(), rtp2.Local(), rtp1.Remote())
	}
	for _, c := range []struct {
		flow *Flow
		peer *net.UDPConn
		from netip.AddrPort
	}{{rtp1, one, rtp1.Local()}, {rtcp1, one, rtcp1.Local()}, {rtp2, two, rtp2.Local()}} {
		if err := c.flow.Send([]byte("to " + c.from.String())); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		n, from, err := c.peer.ReadFromUDPAddrPort(b)
		if err != nil || from != c.from || string(b[:n]) != "to "+c.from.String() {
			t.Errorf("%q from %v, %v; want it from %v", b[:n], from, err, c.from)
		}
	}
	to := net.UDPAddrFromAddrPort(rtp1.Local())
	for _, c := range []*net.UDPConn{stranger, two, one} {
		if _, err := c.WriteTo([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
	}
	if awaited(t, heard1.got) != "hello" || awaited(t, heard2.got) != "hello" || len(heard1.got)+len(heard2.got) > 0 {
		t.Error("a flow hears somebody else")
	}
	if shared, from, ok := rtp1.Share(); !ok || from != home || shared == (SharedUDP{}) {
		t.Errorf("shared from %v, %v", from, ok)
	}
	if _, err := p.Dial(PeerOptions{Local: home, Remote: at1}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second flow to one peer: %v", err)
	}
	rtp1.Close()
	if why := awaited(t, heard1.ended); why != FlowClosed {
		t.Errorf("ended by %v", why)
	}
	if again, err := p.Dial(PeerOptions{Local: home, Remote: at1}); err != nil {
		t.Error(err)
	} else {
		again.Start(heard1)
	}
	p.Close()
	if why := awaited(t, heard2.ended); why != FlowStopped {
		t.Errorf("ended by %v", why)
	}
	if _, err := p.Dial(PeerOptions{Local: home, Remote: at1}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestPeersPorts: a range is kept to, and one without two free neighbours is an error that
// names it.
func TestPeersPorts(t *testing.T) {
	var p Peers
	defer p.Close()
	_, peer := aPeer(t)
	probe, err := p.Dial(PeerOptions{Local: home, Remote: peer})
	if err != nil {
		t.Fatal(err)
	}
	taken := probe.Local().Port()
	_, err = p.Dial(PeerOptions{Local: home, Remote: peer, Low: taken, High: taken + 1})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("taken ports: %v", err)
	}
	if _, err = p.Dial(PeerOptions{Local: home, Remote: peer, Low: taken + 1, High: taken + 2}); err == nil || !strings.Contains(err.Error(), "no even port") {
		t.Errorf("a range without a pair: %v", err)
	}
	f, err := p.Dial(PeerOptions{Local: home, Remote: peer, Low: 20_001, High: 60_000, Odd: true})
	if err != nil || f.Local().Port() < 20_003 || f.Local().Port()%2 != 1 {
		t.Errorf("%v, %v", f, err)
	}
	for _, o := range []PeerOptions{
		{Local: home}, {Remote: peer}, {Local: home, Remote: netip.AddrPortFrom(home, 0)},
		{Local: netip.IPv6Loopback(), Remote: peer}, {Local: home, Remote: netip.MustParseAddrPort("239.1.1.1:5000")},
	} {
		if f, err := p.Dial(o); err == nil {
			t.Errorf("%+v: %v", o, f.Local())
		}
	}
}

// TestPeersArePatient: a peer that opens its port late is not given up, whatever ICMP says.
func TestPeersArePatient(t *testing.T) {
	var p Peers
	defer p.Close()
	late, at := aPeer(t)
	late.Close()
	f, err := p.Dial(PeerOptions{Local: home, Remote: at})
	if err != nil {
		t.Fatal(err)
	}
	h := newHeard()
	f.Start(h)
	f.Keep(true)
	for range 3 { // loopback refuses at once, and each call but the first hears of the one before
		_ = f.Send([]byte("early")) // a refusal may be its outcome
	}
	again, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := f.Send([]byte("late")); err != nil {
		t.Errorf("send: %v", err)
	}
	_ = again.SetDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 16)
	if n, err := again.Read(b); err != nil || string(b[:n]) != "late" || len(h.ended) > 0 {
		t.Errorf("%q, %v; ended %d", b[:n], err, len(h.ended))
	}
}

// TestPeersTogether: sessions come and go at once.
func TestPeersTogether(t *testing.T) {
	var p Peers
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 50 {
				f, err := p.Dial(PeerOptions{Local: home, Remote: netip.AddrPortFrom(home, uint16(10_000+100*i+n)), Odd: n%2 == 1})
				if err != nil {
					t.Error(err)
					return
				}
				f.Start(newHeard())
				f.Keep(n%3 == 0)
				if n%4 > 0 {
					f.Close()
				}
			}
		})
	}
	all.Wait()
	p.Close()
	p.Close()
}
