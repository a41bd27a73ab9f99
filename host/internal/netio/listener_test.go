package netio

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestListenPortTaken(t *testing.T) {
	first := listen(t, &funcs{})
	taken := first.Addrs()[0]
	_, err := Listen(Options{Name: "two", Addresses: []netip.AddrPort{loopback, taken}, Handler: &funcs{t: t}})
	var be *BindError
	if !errors.As(err, &be) {
		t.Fatalf("error %v is no BindError", err)
	}
	if be.Address != taken || be.Errno != syscall.EADDRINUSE || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %+v", be)
	}
	if want := `listener "two": listen on ` + taken.String() + ": address already in use"; err.Error() != want {
		t.Errorf("text %q, want %q", err, want)
	}
}

func TestListenAllOrNone(t *testing.T) {
	first := listen(t, &funcs{})
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := addrPort(free.Addr())
	free.Close()
	if _, err = Listen(Options{Addresses: []netip.AddrPort{address, first.Addrs()[0]}, Handler: &funcs{t: t}}); err == nil {
		t.Fatal("bound a port twice")
	}
	again, err := Listen(Options{Addresses: []netip.AddrPort{address}, Handler: &funcs{t: t}})
	if err != nil {
		t.Fatalf("the first address stayed bound: %v", err)
	}
	again.Close()
}

func TestListenRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no handler":      {Addresses: []netip.AddrPort{loopback}},
		"no address":      {Handler: &funcs{t: t}},
		"invalid address": {Handler: &funcs{t: t}, Addresses: []netip.AddrPort{{}}},
		"bad pattern":     {Handler: &funcs{t: t}, Addresses: []netip.AddrPort{loopback}, Raw: []Pattern{{}}},
	} {
		if l, err := Listen(o); err == nil {
			l.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestStrangersAreClosedAtOnce(t *testing.T) {
	l := listen(t, &funcs{})
	for in, want := range map[string]Outcome{
		"\x00\x01garbage":              OutcomeUnknown,
		string(mmsGreeting):            OutcomeMMS,
		"\x16\x03\x01\x02\x00\x01\x00": OutcomeTLS,
	} {
		p := dial(t, l)
		p.say(in)
		if got, _ := p.ended(); got != "" {
			t.Errorf("%q got an answer %q", in, got)
		}
		eventually(t, want.String(), func() bool { return l.Stats().Sniffed[want] == 1 })
	}
	p := dial(t, l)
	p.CloseWrite()
	p.ended()
	eventually(t, "peer_closed", func() bool { return l.Stats().Sniffed[OutcomePeerClosed] == 1 })
}

func TestSilentConnectionTimesOut(t *testing.T) {
	l := listen(t, &funcs{}, func(o *Options) { o.SniffTimeout = 20 * time.Millisecond })
	for _, in := range []string{"", "GE"} {
		p := dial(t, l)
		p.say(in)
		p.ended()
	}
	eventually(t, "two timeouts", func() bool { return l.Stats().Sniffed[OutcomeTimeout] == 2 })
}

func TestBestGuessAtTheDeadline(t *testing.T) {
	plugins := make(chan string, 1)
	h := &funcs{raw: func(c *Conn, plugin string) { c.Close(); plugins <- plugin }}
	l := listen(t, h, func(o *Options) { o.Raw, o.SniffTimeout = testPatterns, 20*time.Millisecond })
	dial(t, l).say("\xF0\x01")
	if got := receive(t, plugins); got != "short" {
		t.Errorf("went to %q", got)
	}
}

func TestRawConnectionByteByByte(t *testing.T) {
	type seen struct {
		plugin, text  string
		local, remote netip.AddrPort
	}
	got := make(chan seen, 1)
	h := &funcs{raw: func(c *Conn, plugin string) {
		b, _ := io.ReadAll(c)
		got <- seen{plugin, string(b), c.Local(), c.Remote()}
		c.Close()
	}}
	l := listen(t, h)
	if err := l.SetRoutes(testPatterns); err != nil {
		t.Fatal(err)
	}
	if err := l.SetRoutes([]Pattern{{}}); err == nil {
		t.Fatal("empty pattern accepted")
	}
	p := dial(t, l)
	const text = "OPTIONS rtsp://h/ RTSP/1.0\r\n\r\n"
	for i := range text {
		p.say(text[i : i+1])
	}
	p.CloseWrite()
	want := seen{"rtsp", text, l.Addrs()[0], addrPort(p.LocalAddr())}
	if s := receive(t, got); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

func TestThousandConnections(t *testing.T) {
	const n = 1000
	h := &funcs{
		raw: func(c *Conn, _ string) {
			b := make([]byte, 8)
			if _, err := io.ReadFull(c, b); err == nil {
				c.TryWrite(b)
			}
			c.CloseAfterFlush()
		},
		exchange: func(x *Exchange) { x.Respond(200, nil, [][]byte{[]byte("hello")}, true) },
	}
	l := listen(t, h, func(o *Options) { o.Raw = testPatterns })
	peers := make([]*peer, n)
	for i := range peers {
		peers[i] = dial(t, l)
	}
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			if i%2 == 0 {
				io.WriteString(p, "GET / HTTP/1.0\r\n\r\n")
				if b, err := io.ReadAll(p); err != nil || !strings.HasSuffix(string(b), "hello") {
					t.Errorf("http: %q, %v", b, err)
				}
			} else {
				p.Write(mmsGreeting)
				if b, err := io.ReadAll(p); err != nil || string(b) != string(mmsGreeting) {
					t.Errorf("raw: %q, %v", b, err)
				}
			}
			p.Close()
		})
	}
	wg.Wait()
	s := l.Stats()
	if s.Accepted != n || s.Requests != n/2 || s.Sniffed[OutcomeHTTP] != n/2 || s.Sniffed[OutcomeRaw] != n/2 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseEndsRequestsAndSniffing(t *testing.T) {
	inside := make(chan struct{})
	h := &funcs{exchange: func(x *Exchange) {
		close(inside)
		<-x.Request.Context().Done()
	}}
	l := listen(t, h)
	silent := dial(t, l)
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
	receive(t, inside)
	l.Close()
	l.Close()
	p.ended()
	silent.ended()
	if _, err := net.Dial("tcp", l.Addrs()[0].String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial after Close: %v", err)
	}
}

func TestShutdownWaitsForRequests(t *testing.T) {
	inside, proceed := make(chan struct{}), make(chan struct{})
	h := &funcs{exchange: func(x *Exchange) {
		close(inside)
		<-proceed
		x.Respond(http.StatusOK, nil, [][]byte{[]byte("whole")}, false)
	}}
	l := listen(t, h)
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	receive(t, inside)
	down := make(chan error, 1)
	go func() { down <- l.Shutdown(t.Context()) }()
	eventually(t, "listening ends", func() bool {
		c, err := net.Dial("tcp", l.Addrs()[0].String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(proceed)
	if _, body := p.answer("GET"); body != "whole" {
		t.Errorf("body %q", body)
	}
	if err := receive(t, down); err != nil {
		t.Error(err)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	inside := make(chan struct{})
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		close(inside)
		<-x.Request.Context().Done()
	}})
	dial(t, l).say("GET / HTTP/1.0\r\n\r\n")
	receive(t, inside)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestConnSurvivesListener(t *testing.T) {
	conns := make(chan *Conn, 1)
	l := listen(t, hijacker(t, conns))
	p := dial(t, l)
	p.say("GET / HTTP/1.0\r\n\r\n")
	c := receive(t, conns)
	l.Close()
	if err := c.TryWrite([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	c.CloseAfterFlush() // the listener is gone: closes at once
	if got, err := p.ended(); got != "still here" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestOutcomeNames(t *testing.T) {
	for _, o := range Outcomes() {
		if o.String() == "" || o.String() == "invalid" {
			t.Errorf("outcome %d has no name", o)
		}
	}
}
