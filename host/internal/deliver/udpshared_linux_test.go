package deliver

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// lent is a socket of another owner, as a listener's.
type lent struct{ conn *net.UDPConn }

func (l *lent) Duplicate() (fd int, err error) {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	control := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(control, err)
}

func lend(t *testing.T) *lent {
	t.Helper()
	c, _ := receiver(t)
	l := &lent{c}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { reportErrors(int(fd), false) }); err != nil {
		t.Fatal(err)
	}
	return l
}

// A listener's socket stays open when its last viewer has left; the next can join.
func TestUDPSharedJoinLeaveJoin(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	l := lend(t)
	c, to := receiver(t)
	for range 3 {
		v, k := attachUDP(t, p, s, to, func(a *AttachUDP) { a.Socket.Shared = l })
		s.put(100, media.Key)
		collect(t, c, 116)
		v.Close(Closed)
		k.wantLeft(t, Closed)
		until(t, "the descriptor is closed", func() bool { return len(p.workers[0].udp.table.all()) == 0 })
	}
}

// What ICMP says of others, and the queue may not have any more, ends nobody.
func TestUDPInnocentOfOthersErrors(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	l := lend(t)
	c, to := receiver(t)
	gone, nowhere := receiver(t)
	gone.Close()
	v, k := attachUDP(t, p, s, to, func(a *AttachUDP) { a.Socket.Shared = l })
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			_, _ = l.conn.WriteToUDPAddrPort([]byte("x"), nowhere)
		}
	}()
	for range 1000 {
		s.put(200, media.Key)
		collect(t, c, 216)
	}
	stop.Store(true)
	<-done
	if st, ok := v.UDP(); !ok || st.Dropped != 0 || len(k.left) > 0 {
		t.Errorf("%+v, %d left", st, len(k.left))
	}
}

// What strangers send to the pool's socket takes no room from what ICMP says.
func TestUDPStrangersDoNotHideErrors(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	attachUDP(t, p, s, to, nil)
	s.put(200, media.Key)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, pool, err := c.ReadFromUDPAddrPort(make([]byte, 1000))
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 { // more than any buffer of the usual size
		if _, err := c.WriteToUDPAddrPort(make([]byte, 1000), pool); err != nil {
			t.Fatal(err)
		}
	}
	gone, nowhere := receiver(t)
	gone.Close()
	_, left := attachUDP(t, p, s, nowhere, nil)
	for range 50 {
		s.put(200, media.Key)
		collect(t, c, 216)
	}
	left.wantLeft(t, PeerClosed)
}

// What the system did not take is not counted as sent.
func TestUDPCountsWhatWasTaken(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	broadcast := netip.MustParseAddrPort("255.255.255.255:9") // refused, since no socket asks for it
	v, k := attachUDP(t, p, s, broadcast, func(a *AttachUDP) { a.Segment = 1000 })
	s.put(2984, media.Key)
	if st := k.wantLeft(t, PeerClosed); st.Bytes != 0 || st.Sends != 0 {
		t.Errorf("%+v", st)
	}
	if st, _ := v.UDP(); st.Datagrams != 0 || st.Dropped != 3 {
		t.Errorf("%+v", st)
	}
	if st := p.UDPStats(); st.Datagrams != 0 || st.Messages != 0 || st.Dropped[DropUnreachable] != 3 {
		t.Errorf("%+v", st)
	}
	if st := p.Account(s.log).Totals(); st.Bytes != 0 || st.Sends != 0 {
		t.Errorf("%+v", st)
	}
}

// Datagrams of another rendition have its size.
func TestUDPSwitchTakesTheSegment(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	v, k := attachUDP(t, p, s, to, nil)
	s.put(3000, media.Key)
	if _, sizes := collect(t, c, 3016); len(sizes) != 1 {
		t.Errorf("datagrams of %v bytes", sizes)
	}
	v.Hold()
	k.wantHeld(t, Detached)
	other := &script{log: stream.New(stream.Options{})}
	other.put(2984, media.Key)
	v.Switch(other.log, other.log.Cursor(stream.Start{Mode: stream.StartSeq}), 1000)
	if _, sizes := collect(t, c, 3000); len(sizes) != 3 || sizes[0] != 1000 {
		t.Errorf("datagrams of %v bytes", sizes)
	}
}

// A destination gets fast streams too, though pauses are longer than asked for.
func TestUDPBucketOfFastStreams(t *testing.T) {
	const late = 2 * time.Millisecond
	for _, megabits := range []int{1, 8, 50, 67, 100, 300} {
		stream := megabits * 1_000_000 / 8
		b := bucket{size: bucketFor(stream)}
		if megabits <= 67 != (b.size == bucketBytes) {
			t.Errorf("%d Mbit/s: a bucket of %d bytes", megabits, b.size)
		}
		rate, sent := burstRate*stream, 0
		for now := time.Duration(0); now < time.Second; now += b.wait(rate) + late {
			b.fill(now, rate)
			sent += b.tokens
			b.tokens = 0
		}
		if sent < stream*9/10 {
			t.Errorf("%d Mbit/s: %d of %d bytes in a second", megabits, sent, stream)
		}
	}
}
