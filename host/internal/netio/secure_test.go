package netio

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// secureConns gives a listener that hands over raw connections, and one of them.
func secureConns(t *testing.T) (*Listener, *Conn, *tls.Conn) {
	t.Helper()
	conns := make(chan *Conn, 1)
	h := &funcs{raw: func(c *Conn, plugin string) { conns <- c }}
	l := listen(t, h, withTLS(t), func(o *Options) { o.Raw = []Pattern{{Plugin: "p", Bytes: []byte{0xF0}}} })
	far := dialTLS(t, l, "mqtt") // an ALPN that the server does not know
	if _, err := far.Write([]byte("\xF0hello")); err != nil {
		t.Fatal(err)
	}
	c := receive(t, conns)
	t.Cleanup(c.Close)
	return l, c, far
}

func readFull(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatalf("got %q: %v", b, err)
	}
	return string(b)
}

func TestRawInsideTLS(t *testing.T) {
	l, c, far := secureConns(t)
	if !c.TLS() || c.Remote() != addrPort(far.LocalAddr()) || c.Local() != l.Addrs()[0] {
		t.Errorf("TLS %v, remote %v, local %v", c.TLS(), c.Remote(), c.Local())
	}
	if got := readFull(t, c, 6); got != "\xF0hello" {
		t.Errorf("got %q", got)
	}
	for i := range 3 {
		text := strings.Repeat("x", 1000*(i+1))
		if err := c.TryWrite([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := readFull(t, far, len(text)); got != text {
			t.Error("other bytes")
		}
	}
	if _, err := far.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, c, 4); got != "more" {
		t.Errorf("got %q", got)
	}
	if err := c.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read after the deadline: %v", err)
	}
}

func TestSecureCloseAfterFlush(t *testing.T) {
	l, c, far := secureConns(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	if err := c.TryWrite(big); err != nil {
		t.Fatal(err)
	}
	c.CloseAfterFlush()
	if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	l.Close()
}

func TestSecurePeerEnds(t *testing.T) {
	for name, end := range map[string]func(*tls.Conn){
		"close_notify": func(c *tls.Conn) { c.CloseWrite() },
		"fin":          func(c *tls.Conn) { c.NetConn().(*net.TCPConn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			_, c, far := secureConns(t)
			end(far)
			if got, err := io.ReadAll(c); string(got) != "\xF0hello" || err != nil {
				t.Errorf("%q %v", got, err)
			}
		})
	}
	_, c, far := secureConns(t)
	tcp := far.NetConn().(*net.TCPConn)
	tcp.SetLinger(0)
	tcp.Close()
	_, _ = io.ReadAll(c)
	eventually(t, "write fails", func() bool { return c.TryWrite([]byte("x")) != nil })
}

func TestSecureReject(t *testing.T) {
	_, c, far := secureConns(t)
	readFull(t, c, 6)
	c.Reject([]byte("go away"))
	if got := readFull(t, far, 7); got != "go away" {
		t.Errorf("got %q", got)
	}
	var err error // what an encoder meets that never reads
	eventually(t, "a write fails", func() bool { _, err = far.NetConn().Write([]byte("media")); return err != nil })
	if !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EPIPE) {
		t.Errorf("not reset: %v", err)
	}
}

// TestSecureDetach: the descriptor carries plain bytes, survives the listener, and sees
// the peer's end.
func TestSecureDetach(t *testing.T) {
	l, c, far := secureConns(t)
	readFull(t, c, 1)
	if err := c.TryWrite([]byte("before ")); err != nil {
		t.Fatal(err)
	}
	fd, leftover, unsent, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	if string(leftover) != "hello" || len(unsent) > 0 {
		t.Errorf("left over %q, unsent %q", leftover, unsent)
	}
	l.Close()
	if n, err := unix.Write(fd, []byte("after")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if got := readFull(t, far, 12); got != "before after" {
		t.Errorf("got %q", got)
	}
	if _, err := unix.Read(fd, make([]byte, 1)); err != unix.EAGAIN {
		t.Errorf("the descriptor blocks, or ends: %v", err)
	}
	far.Close()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if n, err := unix.Poll(poll, int(patience.Milliseconds())); n != 1 || err != nil {
		t.Errorf("the peer's end is not seen: %d %v", n, err)
	}
	unix.Close(fd)
}

// TestSlowSecurePeerIsNoticed: a peer that takes nothing makes the descriptor full.
func TestSlowSecurePeerIsNoticed(t *testing.T) {
	_, c, far := secureConns(t)
	fd, _, _, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	b, sum := make([]byte, 16<<10), 0
	const most = 16 << 20 // the far side's receive buffer is the system's
	for full := 0; full < 50 && sum < most; {
		n, err := unix.Write(fd, b)
		switch {
		case err == unix.EAGAIN:
			full++
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			unix.Poll(poll, 10)
		case err != nil:
			t.Fatal(err)
		default:
			sum += n
		}
	}
	if sum >= most {
		t.Errorf("%d bytes went nowhere", sum)
	}
	far.Close()
}

func TestHTTPOverTLS(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if !x.TLS() || x.Request.TLS == nil || !x.Remote.IsValid() || x.Request.ProtoMajor != 1 {
			t.Errorf("%v %v %v", x.TLS(), x.Remote, x.Request.Proto)
		}
		if x.Request.URL.Path == "/plain" {
			x.Respond(200, nil, [][]byte{[]byte("answer")}, false)
			return
		}
		head, _ := x.Head(200, nil, LengthToClose)
		c, err := x.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		c.TryWrite(head)
		b := make([]byte, 4)
		_, err = io.ReadFull(c, b)
		c.TryWrite(b)
		if err != nil || !c.TLS() {
			t.Error(err)
		}
		c.CloseAfterFlush()
	}}, withTLS(t))
	far := dialTLS(t, l, "http/1.1")
	p := &peer{TCPConn: far.NetConn().(*net.TCPConn), t: t}
	p.in = bufio.NewReader(far)
	io.WriteString(far, "GET /plain HTTP/1.1\r\nHost: h\r\n\r\n")
	if r, body := p.answer("GET"); r.StatusCode != 200 || body != "answer" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	io.WriteString(far, "POST /live HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
	if r, body := p.answer("POST"); r.StatusCode != 200 || body != "body" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	eventually(t, "http", func() bool { return l.Stats().Sniffed[OutcomeHTTP] == 1 })
}
