package netio

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// patience bounds what a test waits for; it is reached only by failures.
const patience = 20 * time.Second

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// funcs is a Handler of two functions; a nil one fails the test.
type funcs struct {
	t        testing.TB
	raw      func(c *Conn, plugin string)
	exchange func(x *Exchange)
}

func (f *funcs) ServeRaw(c *Conn, plugin string) {
	if f.raw == nil {
		f.t.Errorf("unexpected raw connection for %q", plugin)
		c.Close()
		return
	}
	f.raw(c, plugin)
}

func (f *funcs) ServeExchange(x *Exchange) {
	if f.exchange == nil {
		f.t.Errorf("unexpected request %s %s", x.Request.Method, x.Request.URL)
		return
	}
	f.exchange(x)
}

// listen starts a listener on loopback that ends with the test.
func listen(t testing.TB, h *funcs, change ...func(*Options)) *Listener {
	t.Helper()
	h.t = t
	o := Options{Name: "web", Addresses: []netip.AddrPort{loopback}, HTTP: true, Handler: h}
	for _, c := range change {
		c(&o)
	}
	l, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// peer is the far end of a connection.
type peer struct {
	*net.TCPConn
	t  testing.TB
	in *bufio.Reader
}

func dial(t testing.TB, l *Listener) *peer {
	t.Helper()
	c, err := net.Dial("tcp", l.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{TCPConn: c.(*net.TCPConn), t: t, in: bufio.NewReader(c)}
}

// say sends s; bare line feeds stay as they are.
func (p *peer) say(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.TCPConn, s); err != nil {
		p.t.Fatal(err)
	}
}

// answer reads one HTTP response and its body.
func (p *peer) answer(method string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.ReadResponse(p.in, &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("read response: %v", err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatalf("read response body: %v", err)
	}
	return r, string(b)
}

// ended waits for the other side to end the connection and gives what came
// before.
func (p *peer) ended() (string, error) {
	p.t.Helper()
	b, err := io.ReadAll(p.in)
	if isTimeout(err) {
		p.t.Fatalf("connection still open, got %q", b)
	}
	return string(b), err
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// receive waits for a value.
func receive[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

// hijacker gives the connection of each request to conns.
func hijacker(t testing.TB, conns chan<- *Conn) *funcs {
	return &funcs{exchange: func(x *Exchange) {
		c, err := x.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conns <- c
	}}
}

// eventually polls a counter that a goroutine of the listener moves.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
