package steer

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/netio"
)

var _ netio.Spreader = (*Spreader)(nil)

// spreadPatience bounds what a test waits for; it is reached only by failures.
const spreadPatience = 20 * time.Second

// choir sends numbered datagrams of many flows to a listener that it serves, and counts what comes.
type choir struct {
	t     testing.TB
	l     *netio.UDPListener
	byID  bool     // one sender, flows by id; else a sender for each
	to    []string // where they send to, in turn; none: to the listener
	flows []*voice
	sent  int64
	got   atomic.Int64
	wrong atomic.Int64 // doubled, or of another flow
	other atomic.Int64 // flows opened twice

	mu     sync.Mutex
	voices map[uint32]*voice
}

// voice is one flow.
type voice struct {
	of     *choir
	id     uint32
	socket *net.UDPConn
	next   uint64
	seen   map[uint64]bool
	opened atomic.Int32
}

// ServeFlow knows a flow by its id, which each datagram begins with.
func (c *choir) ServeFlow(_ *netio.Flow, _ string, first []byte) netio.FlowSink {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.voices[binary.BigEndian.Uint32(first)]
	if m.opened.Add(1) > 1 {
		c.other.Add(1)
	}
	return m
}

func (m *voice) Datagrams(sizes []int, b []byte) {
	for _, n := range sizes {
		d := b[:n]
		b = b[n:]
		number := binary.BigEndian.Uint64(d[4:])
		if binary.BigEndian.Uint32(d) != m.id || m.seen[number] {
			m.of.wrong.Add(1)
		}
		if m.seen != nil {
			m.seen[number] = true
		}
	}
	m.of.got.Add(int64(len(sizes)))
}

func (m *voice) Ended(netio.FlowEnd) {}

// add makes n more flows.
func (c *choir) add(n int) {
	c.t.Helper()
	for range n {
		m := &voice{of: c, id: uint32(len(c.flows) + 1), seen: make(map[uint64]bool)}
		if c.byID && len(c.flows) > 0 {
			m.socket = c.flows[0].socket
		} else {
			to := c.l.Addrs()[0]
			if len(c.to) > 0 {
				to = netip.MustParseAddrPort(c.to[len(c.flows)%len(c.to)])
			}
			s, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
			if err != nil {
				c.t.Fatal(err)
			}
			c.t.Cleanup(func() { s.Close() })
			m.socket = s
		}
		c.flows = append(c.flows, m)
		c.mu.Lock()
		c.voices[m.id] = m
		c.mu.Unlock()
	}
}

// inFlight is how many datagrams may be unread, so that no buffer overflows.
const inFlight = 500

// round sends times datagrams of each flow.
func (c *choir) round(times int) {
	c.t.Helper()
	var b [64]byte
	for range times {
		for _, m := range c.flows {
			binary.BigEndian.PutUint32(b[:], m.id)
			binary.BigEndian.PutUint64(b[4:], m.next)
			m.next++
			c.sent++
			if _, err := m.socket.Write(b[:]); err != nil {
				c.t.Fatal(err)
			}
			if c.sent-c.got.Load() > inFlight {
				until(c.t, "the readers keep up", func() bool { return c.sent-c.got.Load() < inFlight/2 })
			}
		}
	}
}

// all waits until everything sent has come.
func (c *choir) all() {
	c.t.Helper()
	defer func() {
		if c.t.Failed() {
			c.t.Logf("%d of %d came; %+v", c.got.Load(), c.sent, c.l.Stats())
		}
	}()
	until(c.t, "all datagrams come", func() bool { return c.got.Load() == c.sent })
	if n := c.wrong.Load(); n > 0 {
		c.t.Errorf("%d datagrams came twice or to another flow", n)
	}
	if n := c.other.Load(); n > 0 {
		c.t.Errorf("%d flows opened twice", n)
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for end := time.Now().Add(spreadPatience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// gather starts a listener whose flows the choir is.
func gather(t testing.TB, s *Spreader, byID bool, change ...func(*netio.UDPOptions)) *choir {
	t.Helper()
	c := &choir{t: t, byID: byID, voices: make(map[uint32]*voice)}
	o := netio.UDPOptions{
		Name: "in", Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Workers: 4, Handler: c, Spreader: s,
		Raw: []netio.Pattern{{Plugin: "any"}}, DrainLimit: time.Hour,
	}
	if byID {
		o.Key = netio.FlowKey{Length: 4}
	}
	for _, f := range change {
		f(&o)
	}
	l, err := netio.ListenUDP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	c.l = l
	return c
}

// TestSpreadFlip: under load, generations follow each other without a datagram lost; flows stay until their generation is retired, then move once; new
// flows never go to an old generation.
func TestSpreadFlip(t *testing.T) {
	needsEBPF(t)
	for name, byID := range map[string]bool{"address": false, "id": true} {
		t.Run(name, func(t *testing.T) {
			s := NewSpreader(Options{})
			c := gather(t, s, byID)
			if st := c.l.Stats(); st.Rung != RungEBPF || st.Workers != 4 {
				t.Fatalf("spread by %q over %d workers", st.Rung, st.Workers)
			}
			const flows = 128
			c.add(flows)
			moved := uint64(0)
			for round, workers := range []int{3, 6, 1, 4} {
				known := len(c.flows)
				c.round(40)
				flipped := make(chan error, 1)
				go func() { flipped <- c.l.Flip(workers) }() // retires what drains, then begins
				c.round(40)
				if err := <-flipped; err != nil {
					t.Fatal(err)
				}
				if round > 0 {
					moved += uint64(known) // of the generation before the last; each flow is of one
				}
				c.add(20)
				c.round(20)
				c.all()
				st := c.l.Stats()
				if st.Workers != workers || st.Draining == 0 || st.Moved > moved {
					t.Errorf("flip %d: %d flows moved, at most %d should have; %+v", round, st.Moved, moved, st)
				}
			}
			if c.sent < 50_000 {
				t.Errorf("only %d datagrams were sent", c.sent)
			}
			checkSpread(t, s, c)
		})
	}
}

// checkSpread compares what the program counted.
func checkSpread(t *testing.T, s *Spreader, c *choir) {
	t.Helper()
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if st.Opened != uint64(len(c.flows)) || st.Missed != 0 || st.Moved > c.l.Stats().Moved {
		t.Errorf("the program counted %+v; the listener has %d flows, %+v", st, len(c.flows), c.l.Stats())
	}
	if lost := c.l.Stats().Dropped; lost[netio.DropKernel]+lost[netio.DropUnknown]+lost[netio.DropFull] > 0 {
		t.Errorf("dropped: %v", lost)
	}
}

// TestSpreadDrains: each old flow moves exactly once, when its generation's time is over; and a generation without flows is over early.
func TestSpreadDrains(t *testing.T) {
	needsEBPF(t)
	s := NewSpreader(Options{})
	c := gather(t, s, false, func(o *netio.UDPOptions) { o.DrainLimit = 100 * time.Millisecond })
	c.add(50)
	c.round(20)
	c.all()
	if err := c.l.Flip(2); err != nil {
		t.Fatal(err)
	}
	for c.l.Stats().Draining > 0 {
		c.round(5)
	}
	c.round(20)
	c.all()
	if st := c.l.Stats(); st.Moved != 50 || st.Workers != 2 {
		t.Errorf("%d of 50 flows moved; %+v", st.Moved, st)
	}
	checkSpread(t, s, c)
}

// TestSpreadLadder: with a rung refused the next is taken, and no datagram is lost either way.
func TestSpreadLadder(t *testing.T) {
	for _, rung := range []string{RungCBPF, RungHash} {
		for name, byID := range map[string]bool{"address": false, "id": true} {
			t.Run(rung+" by "+name, func(t *testing.T) {
				s := NewSpreader(Options{})
				s.best = rung
				c := gather(t, s, byID)
				if st := c.l.Stats(); st.Rung != rung || st.Workers != 4 {
					t.Fatalf("spread by %q over %d workers", st.Rung, st.Workers)
				}
				c.add(64)
				c.round(20)
				c.all()
				if n := c.l.Stats().Moved; n > 0 {
					t.Errorf("%d flows moved", n)
				}
				for _, workers := range []int{6, 2, 5} {
					flipped := make(chan error, 1)
					go func() { flipped <- c.l.Flip(workers) }()
					c.round(60)
					err := <-flipped
					if want := rung == RungCBPF || workers >= 5 && c.l.Stats().Workers <= workers; (err == nil) != want {
						t.Errorf("flip to %d: %v", workers, err)
					}
				}
				c.round(10)
				c.all()
			})
		}
	}
}

// TestSpreadWithoutRights: the ladder is climbed down by itself.
func TestSpreadWithoutRights(t *testing.T) {
	withoutRights(t)
	c := gather(t, NewSpreader(Options{}), true)
	if st := c.l.Stats(); st.Rung != RungCBPF {
		t.Errorf("spread by %q", st.Rung)
	}
	c.add(10)
	c.round(10)
	c.all()
}

// place sends a datagram from each of two senders and tells which sockets got it.
func place(t *testing.T, group []*net.UDPConn, payload []byte) (at []int) {
	t.Helper()
	for range 2 {
		from, err := net.DialUDP("udp", nil, group[0].LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = from.Write(payload); err != nil {
			t.Fatal(err)
		}
		found := -1
		b := make([]byte, 2000)
		until(t, "a datagram comes", func() bool {
			for i, s := range group {
				s.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
				if n, err := s.Read(b); err == nil && n == len(payload) {
					found = i
				}
			}
			return found >= 0
		})
		from.Close()
		at = append(at, found)
	}
	return at
}

// TestSpreadByID: all datagrams of an id reach one worker, whoever sends them, and ids reach all workers. On both rungs that know ids.
func TestSpreadByID(t *testing.T) {
	for _, rung := range []string{RungEBPF, RungCBPF} {
		for _, id := range []payloadID{{0, 1}, {8, 4}, {12, 4}, {3, 7}, {0, 8}} {
			t.Run(fmt.Sprint(rung, id), func(t *testing.T) {
				if rung == RungEBPF {
					needsEBPF(t)
				}
				group := alike(t, 5)
				s := NewSpreader(Options{})
				t.Cleanup(func() { s.Close() })
				s.best = rung
				if got, _, err := s.Attach(0, rawOf(t, group[0]), id.offset, id.length); err != nil || got != rung {
					t.Fatalf("rung %q: %v", got, err)
				}
				workers := group
				if rung == RungEBPF {
					workers = group[1:] // the first is the anchor
				}
				var raws []syscall.RawConn
				for _, w := range workers {
					raws = append(raws, rawOf(t, w))
				}
				if err := s.Begin(0, raws); err != nil {
					t.Fatal(err)
				}
				used := map[int]bool{}
				payload := make([]byte, 40)
				for n := range 60 {
					payload[id.offset+id.length-1] = byte(n)
					at := place(t, group, payload)
					if at[0] != at[1] {
						t.Fatalf("id %d came to sockets %v", n, at)
					}
					used[at[0]] = true
				}
				if len(used) != len(workers) || rung == RungEBPF && used[0] {
					t.Errorf("sockets used: %v", used)
				}
				place(t, group, payload[:id.offset+id.length-1]) // too short for the id, and not lost
			})
		}
	}
}

// alike opens sockets of one group.
func alike(t *testing.T, n int) (group []*net.UDPConn) {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return setOption(c, unix.SO_REUSEPORT, 1) }}
	at := "127.0.0.1:0"
	for range n {
		s, err := lc.ListenPacket(t.Context(), "udp4", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		at = s.LocalAddr().String()
		group = append(group, s.(*net.UDPConn))
	}
	return group
}

func rawOf(t *testing.T, c *net.UDPConn) syscall.RawConn {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
