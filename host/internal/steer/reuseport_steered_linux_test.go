package steer

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/netio"
)

// asked hands each datagram's flow to whoever answers in the namespace: sockets are made in that of the thread.
type asked chan *netio.Flow

func (a asked) ServeFlow(f *netio.Flow, _ string, _ []byte) netio.FlowSink { return &asks{a, f} }

type asks struct {
	to asked
	f  *netio.Flow
}

func (s *asks) Datagrams(sizes []int, _ []byte) {
	for range sizes {
		s.to <- s.f
	}
}

func (s *asks) Ended(netio.FlowEnd) {}

// steered starts a listener in the namespace that claims bring datagrams to.
func (ns *namespace) steered(table *Table, s *Spreader, h netio.UDPHandler, lines ...string) *netio.UDPListener {
	ns.t.Helper()
	var l *netio.UDPListener
	ns.do(func() {
		var err error
		l, err = netio.ListenUDP(netio.UDPOptions{
			Name: "in", Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("[::1]:0")},
			Workers: 3, Handler: h, Spreader: s, Raw: []netio.Pattern{{Plugin: "any"}}, DrainLimit: time.Hour,
		})
		if err != nil {
			ns.t.Error(err)
		}
	})
	ns.t.Cleanup(l.Close)
	for i, anchor := range l.Anchors() {
		if err := table.Attach("in", UDP, i == 1, anchor); err != nil {
			ns.t.Fatal(err)
		}
	}
	set(ns.t, table, lines...)
	return l
}

// TestSteeredDatagramsAreAnsweredFromWhereTheyWereSent: whether or not another server holds the port, and whatever part of a prefix was dialled.
func TestSteeredDatagramsAreAnsweredFromWhereTheyWereSent(t *testing.T) {
	needsEBPF(t)
	ns := newNamespace(t)
	ns.do(func() { // another server, which must get none of it
		for _, at := range []string{"0.0.0.0:20005", "[::]:20005"} {
			c, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp"+family(at), at)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	})
	table, s := ns.table(), NewSpreader(Options{})
	questions := make(asked, 10)
	l := ns.steered(table, s, questions, "udp 127.0.0.2 20000-20999 in", "udp 127.9.0.0/16 5000 in", "udp fd00:7::/64 20000-20999 in")
	dialled := []string{
		"127.0.0.2:20000", "127.0.0.2:20005", "127.0.0.2:20999", "127.9.3.4:5000",
		"[fd00:7::1]:20001", "[fd00:7::1]:20005", "[fd00:7::55]:20007", "[fd00:7::55]:20005",
	}
	for _, to := range dialled {
		ns.do(func() {
			c, err := net.Dial("udp", to) // hears what comes from there alone
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(spreadPatience))
			b := make([]byte, 200)
			for range 3 {
				if _, err = c.Write([]byte("hello")); err != nil {
					t.Error(err)
					return
				}
				f := <-questions
				if err = f.Send([]byte(f.Local().String())); err != nil {
					t.Error(err)
					return
				}
				n, err := c.Read(b)
				if err != nil || string(b[:n]) != to {
					t.Errorf("%s answered %q: %v", to, b[:n], err)
				}
			}
		})
	}
	st, err := s.Stats()
	if err != nil || st.Opened != uint64(len(dialled)) || st.Missed != 0 {
		t.Errorf("spread %+v of %d flows: %v", st, len(dialled), err)
	}
	if st := l.Stats(); st.Flows != len(dialled) || st.Moved != 0 || st.SendErrors != 0 || st.Rung != RungEBPF {
		t.Errorf("listener: %+v", st)
	}
}

// TestSteeredFlip: steered datagrams stay with their workers through a flip too, and none is lost.
func TestSteeredFlip(t *testing.T) {
	needsEBPF(t)
	ns := newNamespace(t)
	table, s := ns.table(), NewSpreader(Options{})
	c := &choir{t: t, voices: make(map[uint32]*voice), to: []string{"127.0.0.2:20000", "127.0.0.2:20999", "[fd00:7::55]:20007"}}
	c.l = ns.steered(table, s, c, "udp 127.0.0.2 20000-20999 in", "udp fd00:7::/64 20000-20999 in")
	ns.do(func() { c.add(90) })
	c.round(30)
	flipped := make(chan error, 1)
	go ns.do(func() { flipped <- c.l.Flip(5) })
	c.round(100)
	if err := <-flipped; err != nil {
		t.Fatal(err)
	}
	ns.do(func() { c.add(30) })
	c.round(20)
	c.all()
	if st := c.l.Stats(); st.Moved != 0 || st.Draining != 6 || st.Workers != 10 {
		t.Errorf("after the flip: %+v", st)
	}
	ns.do(func() {
		if err := c.l.Flip(2); err != nil {
			t.Error(err)
		}
	})
	c.round(10)
	c.all()
	checkSpread(t, s, c)
}
