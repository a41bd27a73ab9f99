package netio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hushed gives a Conn and its peer, and an alarm of the Conn's.
func hushed(t testing.TB) (*Conn, net.Conn, *Alarm) {
	t.Helper()
	_, c, p := connected(t)
	if _, err := io.ReadFull(c, make([]byte, len("\xF0hello"))); err != nil {
		t.Fatal(err)
	}
	a, err := c.Alarm()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := c.Hush(); err != nil {
		t.Fatal(err)
	}
	return c, p.TCPConn, a
}

func lowWater(t testing.TB, c *Conn) (n int) {
	t.Helper()
	var err error
	if e := c.raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return n
}

// TestGather: little input wakes nobody before the time, and then comes at once.
func TestGather(t *testing.T) {
	c, peer, a := hushed(t)
	b := make([]byte, 1<<20)
	if n, err := c.ReadNow(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(n, err)
	}
	const d = 50 * time.Millisecond
	began := time.Now()
	if _, err := peer.Write([]byte("little")); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(d); err != nil || time.Since(began) < d {
		t.Fatalf("woken after %v: %v", time.Since(began), err)
	}
	if n, err := c.ReadNow(b); string(b[:n]) != "little" || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
	if _, err := peer.Write([]byte("a byte")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(b); string(b[:n]) != "a byte" || err != nil || lowWater(t, c) != 1 {
		t.Fatalf("%q, %v; low water %d", b[:n], err, lowWater(t, c))
	}
}

// TestGatherEndsEarly: much input, the peer's end and Close do not wait for the time.
func TestGatherEndsEarly(t *testing.T) {
	c, to, a := hushed(t)
	if _, err := to.Write(make([]byte, gatherBytes)); err != nil {
		t.Fatal(err)
	}
	if err := a.Wait(time.Hour); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, gatherBytes)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	if err := c.Hush(); err != nil {
		t.Fatal(err)
	}
	to.Close()
	if err := a.Wait(time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadNow(b); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	c, _, a = hushed(t)
	waits := make(chan error, 1)
	go func() { waits <- a.Wait(time.Hour) }()
	a.Close()
	if err := <-waits; err == nil {
		t.Error("a closed alarm waits in vain, and says that its time has come")
	}
	if c.Close(); !errors.Is(c.Hush(), net.ErrClosed) {
		t.Error("a closed connection can be hushed")
	}
}

// TestGatherLeavesNoTrace: whoever gets the socket afterwards is woken for each byte.
func TestGatherLeavesNoTrace(t *testing.T) {
	c, _, _ := hushed(t)
	if n := lowWater(t, c); n != gatherBytes {
		t.Fatalf("low water %d", n)
	}
	m, f, err := c.Pack()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if n := lowWater(t, c); n != 1 || len(m.Unread) != 0 {
		t.Errorf("packed: low water %d", n)
	}
	if err = c.Hush(); err != nil {
		t.Fatal(err)
	}
	fd, _, _, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT); n != 1 || err != nil {
		t.Errorf("detached: low water %d, %v", n, err)
	}
}

// TestGatherAllocations: a wait and its reads allocate nothing.
func TestGatherAllocations(t *testing.T) {
	c, peer, a := hushed(t)
	piece, b := bytes.Repeat([]byte("x"), 1316), make([]byte, 64<<10)
	got := testing.AllocsPerRun(200, func() {
		if _, err := peer.Write(piece); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Wait(time.Millisecond), c.Hush()); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(piece); {
			m, err := c.ReadNow(b)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			n += m
		}
	})
	if got != 0 {
		t.Errorf("%v allocations; want none", got)
	}
}
