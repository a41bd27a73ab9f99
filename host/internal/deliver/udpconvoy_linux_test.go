package deliver

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// TestFollowUDP: a viewer of datagrams that stands where the one before stood has the same
// messages in the socket's batch, and whoever is asked anything else has not.
func TestFollowUDP(t *testing.T) {
	for what, c := range map[string]struct {
		change  func(b *udpBench, v *Viewer) // of the viewer, before
		follows bool
	}{
		"at the same place":  {func(*udpBench, *Viewer) {}, true},
		"under other rules":  {func(_ *udpBench, v *Viewer) { r := *v.rules; v.rules = &r }, false},
		"held":               {func(_ *udpBench, v *Viewer) { v.state.held = true }, false},
		"leaving":            {func(_ *udpBench, v *Viewer) { v.state.leave = Closed }, false},
		"to change":          {func(_ *udpBench, v *Viewer) { v.state.next = &letter{} }, false},
		"at its end":         {func(_ *udpBench, v *Viewer) { v.state.ended = true }, false},
		"with output":        {func(_ *udpBench, v *Viewer) { v.add([]byte("rest"), 0) }, false},
		"with a datagram":    {func(_ *udpBench, v *Viewer) { v.udp.first = []message{{b: []byte("x")}} }, false},
		"at another place":   {func(_ *udpBench, v *Viewer) { v.cursor.Advance(tsPacket) }, false},
		"of other datagrams": {func(_ *udpBench, v *Viewer) { v.udp.segment = 188 }, false},
		"of another burst":   {func(_ *udpBench, v *Viewer) { v.udp.burst = 3 }, false},
		"that is cut here":   {func(_ *udpBench, v *Viewer) { v.udp.plain = true }, false},
		"that was paused":    {func(_ *udpBench, v *Viewer) { v.udp.failing.told = true }, false},
		"by another socket":  {func(_ *udpBench, v *Viewer) { v.udp.socket = &udpSocket{} }, false},
		"with few tokens": {func(b *udpBench, v *Viewer) {
			v.udp.bucket.tokens, v.udp.bucket.at = roundBytes, b.now
		}, false},
		"beside no leader":   {func(b *udpBench, _ *Viewer) { b.worker.udp.convoy.drop() }, false},
		"with a full socket": {func(_ *udpBench, v *Viewer) { v.udp.socket.full = true }, false},
	} {
		t.Run(what, func(t *testing.T) {
			b := newUDPBench(t, 2)
			w, leader, v := b.worker, b.viewers[0], b.viewers[1]
			b.put()
			w.convoy = convoy{leads: true}
			defer func() { w.convoy = convoy{} }()
			w.serve(leader, b.now)
			socket := v.udp.socket
			c.change(b, v)
			before := socket.n
			if got := w.follow(v, b.now); got != c.follows {
				t.Errorf("it follows: %v", got)
			}
			if n := socket.n - before; n > 0 != c.follows {
				t.Errorf("%d messages are added to the batch", n)
			}
			if c.follows {
				led, own := leader.count.bytes.Load(), v.count.bytes.Load()
				if own != led || own != roundBytes || v.cursor.Mark() != leader.cursor.Mark() || v.udp.bucket.tokens != leader.udp.bucket.tokens {
					t.Errorf("it has %d bytes and %d tokens, the one before %d and %d", own, v.udp.bucket.tokens, led, leader.udp.bucket.tokens)
				}
			}
			v.state.next, v.udp.socket, socket.full = nil, socket, false
		})
	}
}

// TestUDPConvoy: viewers who are together, who were held, and who come in the midst of it get every byte of the log in its order, in datagrams of the same
// sizes, and their counts say so.
func TestUDPConvoy(t *testing.T) {
	for what, segment := range map[string]int{"datagrams cut from the run": 1000, "a datagram for a packet": 0} {
		t.Run(what, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(5, 6))
			b := newUDPBench(t, 0)
			type peer struct {
				*Viewer
				conn *net.UDPConn
				at   int // where in the film its bytes begin
				got  []byte
			}
			var all []*peer
			var film []byte
			join := func() {
				c, to := receiver(t)
				all = append(all, &peer{Viewer: b.attach(t, to, segment), conn: c, at: len(film)})
			}
			for range 20 {
				join()
			}
			b.turn()
			follows := 0
			for i := range 200 {
				for range dice.IntN(4) {
					p := make([]byte, 100+dice.IntN(1200))
					for k := range p {
						p[k] = byte(len(film) + k/251)
					}
					film = append(film, p...)
					b.log.Append(media.Packet{DTS: media.FromDuration(b.now), Flags: media.Key}, p)
				}
				b.turn()
				if i%50 == 25 {
					join()
					b.turn()
				}
				x := all[dice.IntN(len(all))]
				x.Hold()
				b.turn()
				x.Resume()
				b.turn()
				for _, x := range all {
					x.got = append(x.got, drainUDP(x.conn)...)
				}
				if together(all[0].Viewer, all[1].Viewer) {
					follows++
				}
			}
			b.log.End()
			for range 3 * restRounds { // what completes no datagram is sent after a while
				b.turn()
			}
			for i, x := range all {
				rest, _ := collect(t, x.conn, len(film)-x.at-len(x.got))
				x.got = append(append(x.got, rest...), drainUDP(x.conn)...)
				if want := film[x.at:]; !bytes.Equal(x.got, want) {
					t.Errorf("viewer %d has %d bytes that are not the log's %d", i, len(x.got), len(want))
				}
				if st := x.Stats(); st.Bytes != uint64(len(x.got)) || st.LagBytes != 0 {
					t.Errorf("viewer %d: %+v, %d bytes came", i, st, len(x.got))
				}
			}
			if follows < 100 {
				t.Errorf("they were together in %d rounds only", follows)
			}
		})
	}
}

// TestUDPConvoyLetsGo: the log's memory is not held for messages that nobody follows with.
func TestUDPConvoyLetsGo(t *testing.T) {
	b := newUDPBench(t, 1)
	b.put()
	c := &udpConvoy{from: b.viewers[0].cursor.Mark()}
	holds := func() bool {
		return slices.ContainsFunc(c.pieces[:cap(c.pieces)], func(p piece) bool { return p.b != nil })
	}
	c.add(b.packet, tsPacket)
	if !holds() {
		t.Fatal("a message is not noted")
	}
	if c.spoil(); holds() {
		t.Error("it is held after what was the viewer's own")
	}
	if c.add(b.packet, tsPacket); holds() {
		t.Error("one that does not lead is noted")
	}
}

func together(a, b *Viewer) bool { return a.cursor.Mark() == b.cursor.Mark() }

var waste [maxDatagram]byte

// drainUDP reads what has come. Loopback mostly has delivered when the send returns; who
// needs all collects the rest.
func drainUDP(c *net.UDPConn) (all []byte) {
	raw, err := c.SyscallConn()
	if err != nil {
		panic(err)
	}
	b := waste[:]
	_ = raw.Control(func(fd uintptr) {
		for {
			n, r := transfer(unix.SYS_RECVFROM, int(fd), b, unix.MSG_DONTWAIT)
			if r != moved {
				return
			}
			all = append(all, b[:n]...)
		}
	})
	return all
}

// refuse has a receiver's system answer that nobody listens, while nobody else can have the
// port: the socket takes datagrams from another peer only (udp(7), connect(2)).
func refuse(t *testing.T, c *net.UDPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.Connect(int(fd), &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

// TestUDPFollowersFailAlone: one of many that follow each other cannot be sent to; it ends, and the others have all.
func TestUDPFollowersFailAlone(t *testing.T) {
	const viewers, gone = 100, 70
	b := newUDPBench(t, viewers)
	refuse(t, b.peers[gone])
	for range 10 {
		b.log.Append(media.Packet{DTS: media.FromDuration(b.now), Flags: media.Key}, b.packet)
		b.turn()
		for i, c := range b.peers {
			if i == gone {
				continue
			}
			if got, _ := collect(t, c, tsPacket); len(got) != tsPacket {
				t.Fatalf("viewer %d has %d bytes of a round", i, len(got))
			}
		}
	}
	for i, v := range b.viewers {
		if left := v.gone.Load(); left != (i == gone) {
			t.Errorf("viewer %d has left: %v", i, left)
		}
	}
	if n := b.worker.udp.totals.dropped[DropUnreachable].Load(); n == 0 {
		t.Error("nothing is counted as dropped")
	}
}

// TestUDPUncounts: what the kernel refuses is not counted as sent.
func TestUDPUncounts(t *testing.T) {
	b := newUDPBench(t, 3)
	bad := b.viewers[1]
	bad.udp.name.PutAddrPort(netip.MustParseAddrPort("255.255.255.255:9")) // EACCES: the socket has no SO_BROADCAST (socket(7))
	b.put()
	b.turn()
	for i, v := range b.viewers {
		want := uint64(roundBytes)
		if v == bad {
			want = 0
		}
		st, _ := v.UDP()
		if n := v.Stats().Bytes; n != want || st.Datagrams*tsPacket != want {
			t.Errorf("viewer %d: %d bytes in %d datagrams are counted, not %d", i, n, st.Datagrams, want)
		}
	}
	if !bad.gone.Load() && bad.udp.failing.until == 0 {
		t.Error("the one that cannot be sent to is tried on")
	}
}

// TestUDPSwitchCutsAnew: the socket cuts by itself what its first log needs, and what another log needs instead.
func TestUDPSwitchCutsAnew(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	for what, c := range map[string]struct{ segment, size, first, last int }{
		"into smaller ones":       {700, 1400 - 16, 700, 700},
		"into larger ones":        {2000, 4000 - 16, 2000, 2000},
		"each packet as it comes": {0, 3000 - 16, 3000, 3000},
	} {
		t.Run(what, func(t *testing.T) {
			s, other := &script{log: stream.New(stream.Options{})}, &script{log: stream.New(stream.Options{})}
			conn, to := receiver(t)
			v, _ := attachUDP(t, p, s, to, func(a *AttachUDP) { a.Segment = 1000 })
			s.put(3000-16, media.Key)
			if _, sizes := collect(t, conn, 3000); len(sizes) != 3 || sizes[0] != 1000 || sizes[2] != 1000 {
				t.Errorf("datagrams of %v bytes, not of 1000", sizes)
			}
			other.put(c.size, media.Key)
			v.Switch(other.log, other.log.Cursor(stream.Start{Mode: stream.StartSeq}), c.segment)
			got, sizes := collect(t, conn, c.size+16)
			if sizes[0] != c.first || sizes[len(sizes)-1] != c.last || !bytes.Equal(got, other.bytes(0, 1, c.size)) {
				t.Errorf("datagrams of %v bytes", sizes)
			}
		})
	}
}

// BenchmarkUDPFanOut compares a round of viewers of datagrams with a bare loop of sendmmsg of the same memory to as many destinations, which the kernel
// cuts by the socket's own option. "ratio" is the worker's time by the loop's.
func BenchmarkUDPFanOut(b *testing.B) {
	const viewers, datagrams = 200, 4
	u := newUDPBench(b, viewers)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, tsPacket); err != nil {
		b.Fatal(err)
	}
	shared := make([]byte, datagrams*tsPacket)
	messages, vectors := make([]unix.Mmsghdr, viewers), make([]unix.Iovec, viewers)
	for i, v := range u.viewers {
		vectors[i].Base = &shared[0]
		vectors[i].SetLen(len(shared))
		h := &messages[i].Hdr
		h.Name, h.Namelen, h.Iov = v.udp.name.Pointer(), v.udp.name.Len(), &vectors[i]
		h.SetIovlen(1)
	}
	drain := func() {
		for _, c := range u.peers {
			raw, _ := c.SyscallConn()
			_ = raw.Control(func(fd uintptr) {
				for r := moved; r == moved; {
					_, r = transfer(unix.SYS_RECVFROM, int(fd), waste[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC)
				}
			})
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var pool, plain time.Duration
	b.ReportAllocs()
	for b.Loop() {
		for range datagrams {
			u.log.Append(media.Packet{DTS: media.FromDuration(u.now), Flags: media.Key}, u.packet)
		}
		start := threadTime()
		u.turn()
		pool += threadTime() - start
		drain()

		start = threadTime()
		for at := 0; at < viewers; {
			n, errno := sendMessages(fd, messages[at:])
			if errno != 0 {
				b.Fatal(errno)
			}
			at += n
		}
		plain += threadTime() - start
		drain()
	}
	sends := float64(b.N * viewers)
	b.ReportMetric(float64(pool)/float64(plain), "ratio")
	b.ReportMetric(float64(pool)/sends, "ns/send")
	b.ReportMetric(float64(plain)/sends, "ns/bare-send")
}

// threadTime is the processor time of this thread: what else runs on the machine is in no figure.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// attach lets one more viewer come, which is there after the next turn.
func (b *udpBench) attach(t testing.TB, to netip.AddrPort, segment int) *Viewer {
	t.Helper()
	s, err := b.worker.udp.table.open(b.worker.poller, UDPSocket{TTL: -1}, to.Addr(), segment)
	if err != nil {
		t.Fatal(err)
	}
	a := AttachUDP{Attach: Attach{Log: b.log, Cursor: b.log.Cursor(stream.Start{}), Latency: b.worker.options.Latency}, To: to, Segment: segment}
	v := newViewer(b.worker, a.Attach)
	v.udp = newDatagrams(&a, s, 0)
	b.worker.inbox.put(&letter{viewer: v, order: orderAttach})
	return v
}
