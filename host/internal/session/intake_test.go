package session

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// taken hands over the raw connections of a listener.
type taken chan *netio.Conn

func (c taken) ServeRaw(x *netio.Conn, _ string) { c <- x }
func (c taken) ServeExchange(x *netio.Exchange)  {}

// newGathering gives a reader that gathers its input from now on, though nobody runs it, and
// the peer.
func newGathering(t *testing.T) (k *intake, peer *net.TCPConn) {
	t.Helper()
	r := newRig(t, false, point.Options{Name: "live", Latency: 50 * time.Millisecond, Buffer: time.Second})
	conns := make(taken, 1)
	l, err := netio.Listen(netio.Options{
		Name: "raw", Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		Raw: []netio.Pattern{{Plugin: "p", Bytes: []byte("raw")}}, Handler: conns,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	peer = r.dial(l.Addrs()[0].String(), "raw").(*net.TCPConn)
	c := <-conns
	t.Cleanup(c.Close)
	if _, err := io.ReadFull(c, make([]byte, len("raw"))); err != nil {
		t.Fatal(err)
	}
	k = newIntake(c, newInlet(func() {}), 0)
	k.into(r.points["live"], new(atomic.Int64))
	k.dense, k.last = true, time.Now()
	return k, peer
}

// TestResetBehindInput: a reset that is met behind gathered input is told of, as its end.
func TestResetBehindInput(t *testing.T) {
	k, peer := newGathering(t)
	if _, err := peer.Write([]byte("bytes")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(peer.SetLinger(0), peer.Close()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, readSize)
	if n, err := k.Read(b); string(b[:n]) != "bytes" || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
	if _, err := k.Read(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the end is %v", err)
	}
}

// TestHaltedWhileItGathers: a reader that waits ends when it is halted, and who reads the
// connection then gets what came meanwhile.
func TestHaltedWhileItGathers(t *testing.T) {
	k, peer := newGathering(t)
	ended := make(chan error, 1)
	go func() {
		defer close(k.done)
		ended <- k.wait(time.Hour)
	}()
	until(t, "it does not wait", func() bool { return k.alarm.Load() != nil })
	if _, err := peer.Write([]byte("meanwhile")); err != nil {
		t.Fatal(err)
	}
	k.halt()
	if err := <-ended; !errors.Is(err, errHalted) {
		t.Errorf("it ended with %v", err)
	}
	next := newIntake(k.c, k.in, 0)
	b := make([]byte, readSize)
	if n, err := next.Read(b); string(b[:n]) != "meanwhile" || err != nil {
		t.Errorf("the next reader got %q, %v", b[:n], err)
	}
}

// TestGoneBeforeItIsCounted: a source whose input has ended before it feeds its point is not
// counted among those that are read.
func TestGoneBeforeItIsCounted(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live", Latency: 50 * time.Millisecond})
	var among atomic.Int64
	for _, early := range []bool{true, false} {
		k := newIntake(nil, newInlet(func() {}), 0)
		if early {
			k.leave()
		}
		k.into(r.points["live"], &among)
		k.into(r.points["live"], &among)
		if n := among.Load(); early && n != 0 || !early && n != 1 {
			t.Errorf("ended before %v: %d are counted", early, n)
		}
		if !early {
			k.leave()
		}
	}
	if n := among.Load(); n != 0 {
		t.Errorf("%d are counted for good", n)
	}
}

// TestNoAlarm: without an alarm input is read as it comes, and for a while none is asked for.
func TestNoAlarm(t *testing.T) {
	k, _ := newGathering(t)
	k.c.Close() // for which there is none
	if n, err := k.gathered(make([]byte, 1), time.Hour); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	k.c, k.dense = nil, true
	if n, err := k.gathered(make([]byte, 1), time.Hour); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if k.mute = time.Now(); k.isMute() {
		t.Error("it never asks again")
	}
}
