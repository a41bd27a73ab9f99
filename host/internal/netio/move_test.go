package netio

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestConnMoves: a connection that was read to any byte goes on as another Conn, and closing the first one does not end it.
func TestConnMoves(t *testing.T) {
	const body = "abcdefghijklmnopqrstuvwxyz"
	for name, c := range map[string]struct{ head, wire string }{
		"chunked": {capturedPush, "5\r\nabcde\r\n10;x=y\r\nfghijklmnopqrstu\r\n5\r\nvwxyz\r\n0\r\n\r\n"},
		"length":  {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 26\r\n\r\n", body},
		"close":   {"POST /x HTTP/1.1\r\nHost: h\r\n\r\n", body},
	} {
		for cut := range len(c.wire) {
			conns := make(chan *Conn, 1)
			l := listen(t, hijacker(t, conns))
			p := dial(t, l)
			p.say(c.head + c.wire[:cut])
			old := receive(t, conns)
			got := readFor(old, cut)
			m, file, err := old.Pack()
			if err != nil {
				t.Fatalf("%s cut at %d: %v", name, cut, err)
			}
			old.Close()
			home := Home("elsewhere", slog.New(slog.DiscardHandler))
			now, err := home.Adopt(m, file)
			if err != nil {
				t.Fatal(err)
			}
			if now.Remote() != old.Remote() || now.Local() != old.Local() || m.Listener != l.Name() {
				t.Errorf("%s: %+v", name, m)
			}
			p.say(c.wire[cut:])
			p.CloseWrite()
			rest, err := io.ReadAll(now)
			if got+string(rest) != body || err != nil {
				t.Errorf("%s cut at %d: %q and %q, %v", name, cut, got, rest, err)
			}
			if n := now.BytesIn(); name == "length" && n != uint64(len(body)) {
				t.Errorf("%s cut at %d: %d bytes counted", name, cut, n)
			}
			now.Close()
			home.Close()
		}
	}
}

// readFor reads until nothing comes for a moment, or n bytes have.
func readFor(c *Conn, n int) (got string) {
	b := make([]byte, 7)
	for len(got) < n {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		m, err := c.Read(b)
		got += string(b[:m])
		if err != nil { // the deadline, or the end
			break
		}
	}
	_ = c.SetReadDeadline(time.Time{})
	return got
}

// TestPackRefuses: a closed connection, and one that is no TCP socket of this process, stay.
func TestPackRefuses(t *testing.T) {
	conns := make(chan *Conn, 1)
	l := listen(t, hijacker(t, conns))
	p := dial(t, l)
	p.say(capturedPush)
	c := receive(t, conns)
	c.secure = true
	if _, _, err := c.Pack(); !errors.Is(err, ErrStays) {
		t.Errorf("TLS: %v", err)
	}
	c.secure = false
	c.Close()
	if _, _, err := c.Pack(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestRetiredAnswersOnce: a listener that has retired serves connections that it has; each answer is the connection's last.
func TestRetiredAnswersOnce(t *testing.T) {
	hello := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") }
	for name, h := range map[string]*funcs{"serve": served(hello), "respond": {exchange: func(x *Exchange) {
		_ = x.Respond(http.StatusOK, nil, [][]byte{[]byte("hello")}, false)
	}}} {
		t.Run(name, func(t *testing.T) { retiredAnswersOnce(t, h) })
		t.Run(name+" 2", func(t *testing.T) {
			l := listen(t, h, withTLS(t))
			client, base := client2(t, l)
			for range 2 {
				a, err := client.Get(base)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = io.ReadAll(a.Body); err != nil || a.ProtoMajor != 2 {
					t.Error(a.Proto, err)
				}
				a.Body.Close()
				l.Retire(false)
			}
			eventually(t, "no connection is there", func() bool { return l.Busy() == 0 })
		})
	}
}

func retiredAnswersOnce(t *testing.T, h *funcs) {
	l := listen(t, h)
	silent, kept := dial(t, l), dial(t, l)
	const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	kept.say(request)
	b := make([]byte, 1000)
	_ = kept.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := kept.Read(b); err != nil || strings.Contains(string(b[:n]), "Connection: close") {
		t.Fatalf("%q %v", b[:n], err)
	}
	eventually(t, "two connections are there", func() bool { return l.Busy() == 2 })
	l.Retire(false)
	if n := l.Busy(); n != 2 {
		t.Errorf("%d connections are there, not 2", n)
	}
	for _, p := range []*peer{silent, kept} {
		p.say(request)
		_ = p.SetReadDeadline(time.Now().Add(10 * time.Second))
		all, err := io.ReadAll(p)
		if err != nil || !strings.Contains(string(all), "hello") || !strings.Contains(string(all), "Connection: close") {
			t.Errorf("%q %v", all, err)
		}
		p.Close()
	}
	eventually(t, "no connection is there", func() bool { return l.Busy() == 0 })
}
