package netio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// connected gives both ends of a raw connection; "\xF0" opens it.
func connected(t testing.TB) (*Listener, *Conn, *peer) {
	t.Helper()
	conns := make(chan *Conn, 1)
	h := &funcs{raw: func(c *Conn, _ string) { conns <- c }}
	l := listen(t, h, func(o *Options) { o.Raw = testPatterns[3:4] })
	p := dial(t, l)
	p.say("\xF0hello")
	c := receive(t, conns)
	t.Cleanup(c.Close)
	return l, c, p
}

// fillSocket writes until the socket takes no more and something is pending,
// and returns how much was accepted.
func fillSocket(t testing.TB, c *Conn) (sent int) {
	t.Helper()
	b := make([]byte, MaxPendingBytes/4)
	for {
		for i := range b {
			b[i] = byte((sent + i) * 7)
		}
		if err := c.TryWrite(b); err != nil {
			t.Fatal(err)
		}
		sent += len(b)
		c.out.mu.Lock()
		pending := c.out.inFlight + len(c.out.pending)
		c.out.mu.Unlock()
		if pending > 0 {
			return sent
		}
	}
}

func checkPattern(t testing.TB, got []byte, want int) {
	t.Helper()
	if len(got) != want {
		t.Fatalf("%d bytes, want %d", len(got), want)
	}
	for i, b := range got {
		if b != byte(i*7) {
			t.Fatalf("byte %d differs", i)
		}
	}
}

func TestTryWriteKeepsOrderWhenFull(t *testing.T) {
	_, c, p := connected(t)
	sent := fillSocket(t, c)
	c.CloseAfterFlush()
	got, err := io.ReadAll(p.in)
	if err != nil {
		t.Fatal(err)
	}
	checkPattern(t, got, sent)
	if c.BytesOut() != uint64(sent) {
		t.Errorf("%d bytes out, want %d", c.BytesOut(), sent)
	}
	if err := c.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

func TestTryWriteGoesOnAfterFlush(t *testing.T) {
	_, c, p := connected(t)
	sent := fillSocket(t, c)
	got := make([]byte, sent)
	if _, err := io.ReadFull(p.in, got); err != nil {
		t.Fatal(err)
	}
	eventually(t, "flusher ends", func() bool {
		c.out.mu.Lock()
		defer c.out.mu.Unlock()
		return !c.out.flushing
	})
	if err := c.TryWrite([]byte("after")); err != nil {
		t.Fatal(err)
	}
	c.CloseAfterFlush()
	if rest, _ := p.ended(); rest != "after" {
		t.Errorf("then %q", rest)
	}
}

func TestTryWriteOverflow(t *testing.T) {
	l, c, p := connected(t)
	fillSocket(t, c)
	if err := c.TryWrite(make([]byte, MaxPendingBytes)); !errors.Is(err, ErrWriteOverflow) {
		t.Fatalf("error %v", err)
	}
	if err := c.TryWrite(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after overflow: %v", err)
	}
	if l.Stats().WriteOverflows != 1 {
		t.Errorf("stats %+v", l.Stats())
	}
	p.ended()
}

func TestTryWriteToVanishedPeer(t *testing.T) {
	_, c, p := connected(t)
	p.SetLinger(0)
	p.Close()
	eventually(t, "write fails", func() bool { return c.TryWrite([]byte("x")) != nil })
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

// reading gives a connection on which a Read waits for input, and what that Read
// will end with.
func reading(t *testing.T) (c *Conn, p *peer, ended <-chan error) {
	t.Helper()
	_, c, p = connected(t)
	if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		got <- err
	}()
	runtime.Gosched()
	return c, p, got
}

func TestCloseEndsBlockedRead(t *testing.T) {
	c, _, got := reading(t)
	c.Close()
	c.Close()
	if err := receive(t, got); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func TestReadDeadline(t *testing.T) {
	_, c, p := connected(t)
	b := make([]byte, 6)
	io.ReadFull(c, b)
	c.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	c.SetReadDeadline(time.Time{})
	p.say("again")
	if n, err := c.Read(b); string(b[:n]) != "again" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	c.Close()
	if err := c.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestDetachFromRequest(t *testing.T) {
	conns := make(chan *Conn, 1)
	l := listen(t, hijacker(t, conns))
	p := dial(t, l)
	p.say(capturedPlay + "early")
	fd, leftover, unsent, err := receive(t, conns).Detach()
	if err != nil {
		t.Fatal(err)
	}
	if string(leftover) != "early" || len(unsent) != 0 {
		t.Errorf("leftover %q, unsent %q", leftover, unsent)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
	if _, err := unix.Read(fd, make([]byte, 1)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("read of an idle socket: %v", err)
	}
	if _, err := unix.Write(fd, []byte("raw bytes")); err != nil {
		t.Error(err)
	}
	unix.Close(fd)
	if got, err := p.ended(); got != "raw bytes" || err != nil {
		t.Errorf("peer got %q, %v", got, err)
	}
}

func TestDetachHandsOverUnsentOutput(t *testing.T) {
	_, c, p := connected(t)
	sent := fillSocket(t, c)
	fd, leftover, unsent, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	if string(leftover) != "\xF0hello" || len(unsent) == 0 {
		t.Errorf("leftover %q, %d bytes unsent", leftover, len(unsent))
	}
	if c.BytesOut()+uint64(len(unsent)) != uint64(sent) {
		t.Errorf("%d out and %d unsent of %d", c.BytesOut(), len(unsent), sent)
	}
	f := os.NewFile(uintptr(fd), "detached") // non-blocking: polled by Go again
	go func() {
		f.Write(unsent)
		f.Close()
	}()
	got, err := io.ReadAll(p.in)
	if err != nil {
		t.Fatal(err)
	}
	checkPattern(t, got, sent)
	if _, _, _, err := c.Detach(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Detach: %v", err)
	}
	if err := c.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Detach: %v", err)
	}
	c.Close()
	c.Reject(nil)
}

func TestDetachEndsBlockedRead(t *testing.T) {
	c, p, got := reading(t)
	fd, leftover, _, err := c.Detach()
	if err != nil || len(leftover) != 0 {
		t.Fatalf("leftover %q, %v", leftover, err)
	}
	if err := receive(t, got); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	unix.Close(fd)
	if _, err := p.ended(); err != nil {
		t.Errorf("peer saw %v", err)
	}
}

func TestDetachChunkedKeepsRawInput(t *testing.T) {
	conns := make(chan *Conn, 1)
	l := listen(t, hijacker(t, conns))
	p := dial(t, l)
	p.say(capturedPush + "3\r\nabc\r\n2\r\nde\r\n")
	c := receive(t, conns)
	b := make([]byte, 3)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	fd, leftover, _, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if !bytes.HasSuffix([]byte("\r\n2\r\nde\r\n"), leftover) || len(leftover) < len("de\r\n") {
		t.Errorf("leftover %q", leftover)
	}
}

func TestRejectResetsAfterTheAnswer(t *testing.T) {
	_, c, p := connected(t)
	c.Reject([]byte("no\r\n"))
	b := make([]byte, 4)
	if _, err := io.ReadFull(p.in, b); string(b) != "no\r\n" || err != nil {
		t.Fatalf("got %q, %v", b, err)
	}
	if err := pushUntilError(p); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("pusher saw %v", err)
	}
}

func TestRejectOfPoliteePeerDoesNotReset(t *testing.T) {
	l, c, p := connected(t)
	c.Reject([]byte("no\r\n"))
	if got, err := p.ended(); got != "no\r\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	p.CloseWrite()
	if err := l.Shutdown(t.Context()); err != nil { // joins the rejection
		t.Error(err)
	}
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("peer saw %v", err)
	}
}

func TestCloseAfterFlushLetsTheAnswerArrive(t *testing.T) {
	_, c, p := connected(t) // "hello" stays unread: a bare close would reset
	p.say("and more")
	c.TryWrite([]byte("bye"))
	c.CloseAfterFlush()
	if got, err := p.ended(); got != "bye" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestListenerCloseCutsLingering(t *testing.T) {
	l, c, p := connected(t)
	fillSocket(t, c) // the peer reads nothing: flushing would take flushTimeout
	c.CloseAfterFlush()
	l.Close()
	if state := c.out.current(); state != stateClosed {
		t.Errorf("state %d", state)
	}
	p.ended()
}

func TestReadAllocatesNothing(t *testing.T) {
	_, c, p := connected(t)
	b := make([]byte, 1)
	block := make([]byte, 200)
	p.Write(block)
	if n := testing.AllocsPerRun(100, func() { c.Read(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
