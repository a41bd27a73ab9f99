package fallback_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/netio/fallback"
)

const patience = 20 * time.Second

// handler gives every request to an http.Handler.
type handler struct{ http.Handler }

func (h handler) ServeRaw(c *netio.Conn, _ string) { c.Close() }
func (h handler) ServeExchange(x *netio.Exchange)  { x.Serve(h.Handler) }

// front listens before h and gives its address.
func front(t *testing.T, h http.Handler, change ...func(*netio.Options)) *netio.Listener {
	t.Helper()
	o := netio.Options{Name: "web", Addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, HTTP: true, Handler: handler{h}}
	for _, c := range change {
		c(&o)
	}
	l, err := netio.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// proxied listens before a proxy to a web server made of h.
func proxied(t *testing.T, path string, h http.HandlerFunc) *netio.Listener {
	t.Helper()
	back := httptest.NewServer(h)
	t.Cleanup(back.Close)
	return front(t, upstream(t, back.URL+path))
}

func upstream(t *testing.T, to string) http.Handler {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	h, err := fallback.Upstream(u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// talk sends text and gives all that comes until the connection ends.
func talk(t *testing.T, l *netio.Listener, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", l.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, text)
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays after %.100q", b)
	}
	return string(b)
}

func TestForwardedFields(t *testing.T) {
	l := proxied(t, "/app", func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded", "X-Real-Ip", "X_forwarded_for", "Te", "Keep-Alive", "X-Hop", "Accept-Encoding", "Upgrade"} {
			fmt.Fprintf(w, "%s=%s|", name, strings.Join(r.Header.Values(name), "+"))
		}
		fmt.Fprintf(w, "%s|%s|%s", r.Host, r.RequestURI, r.Header.Get("Cookie"))
	})
	got := talk(t, l, "GET /a%2Fb;c?x=1;y=%zz HTTP/1.1\r\nHost: example.org:81\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"+
		"Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nCookie: a=b\r\nUpgrade: h2c\r\nConnection: X-Hop, close, Upgrade\r\n\r\n")
	want := "X-Forwarded-For=127.0.0.1|X-Forwarded-Host=example.org:81|X-Forwarded-Proto=http|X-Forwarded-Port=|Forwarded=|X-Real-Ip=|X_forwarded_for=|Te=|Keep-Alive=|X-Hop=|Accept-Encoding=|Upgrade=|" +
		"example.org:81|/app/a%2Fb;c?x=1;y=%zz|a=b"
	if !strings.Contains(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUpstreamRefuses(t *testing.T) {
	asked := make(chan string, 100)
	l := proxied(t, "", func(_ http.ResponseWriter, r *http.Request) { asked <- r.RequestURI })
	for _, target := range []string{"/../x", "/a/%2e%2e/x", "/..%2fx", "/..%5cx", "/a%00", "/..;/x", "/.", "/%2e"} {
		if got := talk(t, l, "GET "+target+" HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 400 ") {
			t.Errorf("%s: %.80q", target, got)
		}
	}
	if got := talk(t, l, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 405 ") {
		t.Errorf("CONNECT: %.80q", got)
	}
	if got := talk(t, l, "TRACE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 405 ") || strings.Contains(got, "TRACE") {
		t.Errorf("TRACE: %.80q", got)
	}
	if len(asked) > 0 {
		t.Errorf("the server saw %s", <-asked)
	}
	if got := talk(t, l, "GET http://elsewhere.example/x?y HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 200 ") || <-asked != "/x?y" {
		t.Errorf("absolute target: %.80q", got)
	}
}

func TestUpstreamAway(t *testing.T) {
	back := httptest.NewServer(http.NotFoundHandler())
	back.Close()
	l := front(t, upstream(t, back.URL))
	if got := talk(t, l, "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 502 ") || !strings.Contains(got, "is away") {
		t.Errorf("got %q", got)
	}
}

func TestLoopIsFound(t *testing.T) {
	var l *netio.Listener
	var once sync.Once
	var h http.Handler
	l = front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { h = upstream(t, "http://"+l.Addrs()[0].String()) })
		h.ServeHTTP(w, r)
	}))
	if got := talk(t, l, "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 508 ") {
		t.Errorf("got %q", got)
	}
}

func TestUpstreamErrors(t *testing.T) {
	for _, s := range []string{"ftp://h/", "http:///x", "//h", "http://h/?q=1", "http://u:p@h/", "http://:80"} {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fallback.Upstream(u, nil); err == nil {
			t.Errorf("%s accepted", s)
		}
	}
}

// TestWebSocketEcho carries a changed protocol both ways, and ends with either side.
func TestWebSocketEcho(t *testing.T) {
	ended := make(chan struct{}, 1)
	l := proxied(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-Websocket-Key") != "k" {
			w.WriteHeader(400)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
		io.Copy(c, rw)
		c.Close()
		ended <- struct{}{}
	})
	c, err := net.Dial("tcp", l.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: k\r\n\r\n")
	in := bufio.NewReader(c)
	a, err := http.ReadResponse(in, nil)
	if err != nil || a.StatusCode != 101 || a.Header.Get("Sec-Websocket-Accept") != "x" {
		t.Fatalf("%v %v", a, err)
	}
	for i := range 5 {
		text := fmt.Sprintf("\x81\x05hello %d GET / HTTP/1.1\n\n", i) // framing looks away
		io.WriteString(c, text)
		b := make([]byte, len(text))
		if _, err := io.ReadFull(in, b); err != nil || string(b) != text {
			t.Fatalf("%q %v", b, err)
		}
	}
	if err := l.Shutdown(cancelled()); err == nil {
		t.Error("nothing was under way")
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the upstream connection outlives the listener")
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestStreamsBothWays: each piece of the body is answered before the next is sent, and
// pauses longer than every timeout of the listener end nothing that is not stuck.
func TestStreamsBothWays(t *testing.T) {
	l := proxied(t, "", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.Header().Set("Content-Type", "text/event-stream")
		rc.Flush()
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			w.Write(b[:n])
			rc.Flush()
			if err != nil {
				return
			}
		}
	})
	out, in := io.Pipe()
	q, _ := http.NewRequest("POST", "http://"+l.Addrs()[0].String()+"/", out)
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		text := fmt.Sprint("piece ", i)
		io.WriteString(in, text)
		b := make([]byte, len(text))
		if _, err := io.ReadFull(a.Body, b); err != nil || string(b) != text {
			t.Fatalf("%q %v", b, err)
		}
	}
	in.Close()
	if b, err := io.ReadAll(a.Body); len(b) > 0 || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

// TestSlowAnswerOutlastsTheTimeouts: a download goes on for longer than any of them.
func TestSlowAnswerOutlastsTheTimeouts(t *testing.T) {
	const timeout = 50 * time.Millisecond
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		tick := time.NewTicker(timeout / 5)
		defer tick.Stop()
		for range 20 {
			io.WriteString(w, ".")
			http.NewResponseController(w).Flush()
			<-tick.C
		}
	}))
	t.Cleanup(back.Close)
	l := front(t, upstream(t, back.URL), func(o *netio.Options) { o.WriteTimeout, o.BodyTimeout = timeout, timeout })
	a, err := http.Post("http://"+l.Addrs()[0].String()+"/", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(a.Body); len(b) != 20 || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

// TestNothingIsSmuggled: whatever bytes come, the server behind sees no request that the
// listener did not see, and each of them framed anew.
func TestNothingIsSmuggled(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	l := proxied(t, "", func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/smuggled" || strings.Contains(r.URL.Path, "GPOST") {
			seen = append(seen, r.URL.Path)
		}
		if len(r.TransferEncoding) > 0 && r.ContentLength >= 0 {
			seen = append(seen, fmt.Sprintf("both framings, %q %v", b, err))
		}
	})
	const inner = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(inner)+5)
	for _, head := range []string{
		length + "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n" + length, "Content-Length: 0\r\n" + length,
		"Transfer-Encoding: xchunked\r\n" + length, "Transfer-Encoding : chunked\r\n" + length, "Transfer-Encoding:\r\n chunked\r\n" + length,
		"Transfer-Encoding: chunked\nX: y\r\n" + length, "X: y\rTransfer-Encoding: chunked\r\n" + length, "Transfer-Encoding: \x0bchunked\r\n" + length,
		"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5, 0\r\n", "Content-Length: 0\x00\r\n", "\r\x00Content-Length: 1\r\n",
		"Transfer-Encoding: chunked\r\nX: 1\r\n\r\n0;" + strings.Repeat("a", 5000) + "\r\n",
	} {
		got := talk(t, l, "POST / HTTP/1.1\r\nHost: h\r\n"+head+"\r\n0\r\n\r\n"+inner+inner)
		if n := strings.Count(got, "HTTP/1.1 "); n > 1 || !strings.HasPrefix(got, "HTTP/1.1 400 ") && !strings.HasPrefix(got, "HTTP/1.1 501 ") {
			t.Errorf("%.60q: %d answers: %.200q", head, n, got)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) > 0 {
		t.Errorf("the server saw %q", seen)
	}
}

// TestBrokenBodyIsTheClients: no 502 for what the client did.
func TestBrokenBodyIsTheClients(t *testing.T) {
	l := proxied(t, "", func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	got := talk(t, l, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("got %q", got)
	}
}

// TestSilentBodyIsTheClients: who announces a body and sends none holds neither the request nor a connection to the server.
func TestSilentBodyIsTheClients(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	t.Cleanup(back.Close)
	l := front(t, upstream(t, back.URL), func(o *netio.Options) { o.BodyTimeout = 20 * time.Millisecond })
	for _, body := range []string{"Content-Length: 9\r\n\r\na", "Transfer-Encoding: chunked\r\n\r\n9\r\na"} {
		if got := talk(t, l, "POST / HTTP/1.1\r\nHost: h\r\n"+body); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q: got %q", body, got)
		}
	}
}
