package netio

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

func anywhere(string, netip.AddrPort) bool { return true }

// answering is a server that takes one connection at a time and hands it to answer.
func answering(t *testing.T, answer func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			answer(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return addrPort(l.Addr())
}

func dialTo(t *testing.T, to netip.AddrPort, silence time.Duration) *Outgoing {
	t.Helper()
	o, err := Dial(t.Context(), DialOptions{Host: to.Addr().String(), Port: to.Port(), Allows: anywhere, Silence: silence})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

func TestOutgoing(t *testing.T) {
	to := answering(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	o := dialTo(t, to, 0)
	if o.Remote() != to || !o.Local().IsValid() {
		t.Errorf("%v to %v", o.Local(), o.Remote())
	}
	text := strings.Repeat("live ", 1000)
	for range 3 {
		if err := o.TryWriteWithin([]byte(text), 2*len(text)); err != nil { // what came back may still count as under way
			t.Fatal(err)
		}
		b := make([]byte, len(text))
		if _, err := io.ReadFull(o, b); err != nil || string(b) != text {
			t.Fatalf("%v", err)
		}
	}
	if err := o.TryWriteWithin([]byte(text), 10); !errors.Is(err, ErrWriteOverflow) {
		t.Errorf("more than may wait: %v", err)
	}
	o.SetSilence(20 * time.Millisecond)
	if _, err := o.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a peer that says nothing: %v", err)
	}
	if err := o.TryWriteWithin([]byte("bye"), 100); err != nil {
		t.Error(err)
	}
	o.CloseAfterFlush()
	if err := o.TryWriteWithin([]byte("x"), 100); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestOutgoingWait: Wait returns when what was to be sent has gone after CloseAfterFlush, and
// when nobody tries any more after Close.
func TestOutgoingWait(t *testing.T) {
	const most = 64 << 20 // bytes: more than two sockets hold
	for name, end := range map[string]func(*Outgoing){"flushed": (*Outgoing).CloseAfterFlush, "cut": (*Outgoing).Close} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			o := dialTo(t, answering(t, func(c net.Conn) {
				<-ended
				_, _ = io.Copy(io.Discard, c)
			}), 0)
			if err := o.TryWriteWithin(make([]byte, most), most); err != nil {
				t.Fatal(err)
			}
			o.mu.Lock()
			sends := o.busy // and does until the other side reads, or the end
			o.mu.Unlock()
			if !sends {
				t.Fatal("nothing is under way that could be waited for")
			}
			end(o)
			close(ended)
			o.Wait()
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.busy {
				t.Error("it still sends")
			}
			if all := o.written.Load() == most; all != (name == "flushed") {
				t.Errorf("%d bytes have gone", o.written.Load())
			}
		})
	}
}

func TestDialIsJudgedByAddress(t *testing.T) {
	to := answering(t, func(net.Conn) {})
	var asked []netip.AddrPort
	o := DialOptions{Host: "localhost", Port: to.Port(), Allows: func(host string, a netip.AddrPort) bool {
		if host != "localhost" {
			t.Errorf("asked for host %q", host)
		}
		asked = append(asked, a)
		return a == to
	}}
	out, err := Dial(t.Context(), o)
	if err != nil || out.Remote() != to {
		t.Fatalf("%v; asked for %v", err, asked)
	}
	out.Close()
	o.Allows = func(string, netip.AddrPort) bool { return false }
	var denied *DeniedError
	if _, err := Dial(t.Context(), o); !errors.As(err, &denied) || !denied.To.Addr().IsLoopback() {
		t.Errorf("%v", err)
	}
	o.Host, o.Allows = "bad..name", anywhere // nobody is asked for it
	var dns *net.DNSError
	if _, err := Dial(t.Context(), o); !errors.As(err, &dns) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Host = "127.0.0.1"
	if _, err := Dial(ctx, o); err == nil {
		t.Error("dials although nobody wants it any more")
	}
}

func TestDialTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it is to be refused
	s.StartTLS()
	defer s.Close()
	u, _ := url.Parse(s.URL)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	to := netip.MustParseAddrPort(u.Host)
	o := DialOptions{Host: "127.0.0.1", Port: to.Port(), Allows: anywhere, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
	out, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	a, err := Ask(out, Question{Method: "GET", URL: u, Header: http.Header{}})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(a.Body); string(b) != "hello" || err != nil || a.Kind != BodyLength || a.Length != 5 {
		t.Errorf("%q %v %v %d", b, err, a.Kind, a.Length)
	}
	o.TLS.RootCAs = x509.NewCertPool()
	if _, err := Dial(t.Context(), o); !errors.Is(err, ErrPeer) {
		t.Errorf("a certificate of nobody: %v", err)
	}
	plain := answering(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 no TLS here\r\n") })
	o.Port = plain.Port()
	if _, err := Dial(t.Context(), o); !errors.Is(err, ErrPeer) {
		t.Errorf("no TLS: %v", err)
	}
}

func TestAsk(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status       int
		kind         BodyKind
		body         string
		fails, then  error // of the head; of the body
	}{
		{name: "length", answer: "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nPragma: a\r\nPragma: b\r\n\r\nabcdef", status: 200, kind: BodyLength, body: "abc"},
		{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", status: 200, kind: BodyChunked, body: "abcde"},
		{name: "to close", answer: "HTTP/1.1 200 OK\r\n\r\nabc", status: 200, kind: BodyToClose, body: "abc"},
		{name: "none", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204},
		{name: "interim", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", status: 404},
		{name: "broken off", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", status: 200, kind: BodyLength, body: "abc", then: io.ErrUnexpectedEOF},
		{name: "broken chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", status: 200, kind: BodyChunked, body: "abc", then: io.ErrUnexpectedEOF},
		{name: "nothing", answer: "", fails: io.ErrUnexpectedEOF},
		{name: "other protocol", answer: "RTSP/1.0 200 OK\r\n\r\n", fails: ErrPeer},
		{name: "half a head", answer: "HTTP/1.1 200 OK\r\nA: b", fails: ErrPeer},
		{name: "long head", answer: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 2*maxReplyHead) + "\r\n\r\n", fails: ErrReplyHead},
		{name: "only interim", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim+1), fails: ErrPeer},
	} {
		t.Run(c.name, func(t *testing.T) {
			heads := make(chan *http.Request, 1)
			o := dialTo(t, answering(t, func(conn net.Conn) {
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					t.Error(err)
					return
				}
				heads <- r
				_, _ = io.WriteString(conn, c.answer)
			}), patience)
			u, _ := url.Parse("http://encoder:8080/live?x=1")
			a, err := Ask(o, Question{Method: "GET", URL: u, Header: http.Header{"User-Agent": {"NSServer/9.5"}, "Pragma": {"a", "b"}}})
			if !errors.Is(err, c.fails) {
				t.Fatalf("%v, want %v", err, c.fails)
			}
			r := <-heads
			if r.Host != "encoder:8080" || r.RequestURI != "/live?x=1" || r.UserAgent() != "NSServer/9.5" || strings.Join(r.Header["Pragma"], "|") != "a|b" || !r.Close {
				t.Errorf("asks %+v", r)
			}
			if err != nil {
				return
			}
			if a.Status != c.status || a.Kind != c.kind {
				t.Errorf("status %d, body %v", a.Status, a.Kind)
			}
			if b, err := io.ReadAll(a.Body); string(b) != c.body || !errors.Is(err, c.then) {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

func TestAskSilent(t *testing.T) {
	asked := make(chan struct{})
	o := dialTo(t, answering(t, func(conn net.Conn) { <-asked }), 30*time.Millisecond)
	u, _ := url.Parse("http://encoder")
	if _, err := Ask(o, Question{Method: "GET", URL: u, Header: http.Header{}}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	close(asked)
}
