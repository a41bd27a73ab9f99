package netio

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// plainGet is what players send.
var plainGet = crlf("GET /live.ts HTTP/1.1\nHost: 127.0.0.1:8080\nUser-Agent: VLC/3.0.24 LibVLC/3.0.24\nRange: bytes=0-\nConnection: close\n\n")

func TestDirectRequest(t *testing.T) {
	for head, taken := range map[string]bool{
		plainGet:                                                          true,
		capturedDescribe:                                                  true,
		capturedPlay:                                                      true,
		"GET / HTTP/1.0\r\n\r\n":                                          false, // without Host
		"GET / HTTP/1.0\r\nHost: h\r\n\r\n":                               true,
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n":                               true,
		"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n":                        true,
		"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n":                            true,
		"GET / HTTP/1.1\r\nHost: h\r\n\r":                                 false, // not whole
		plainGet + plainGet:                                               false,
		plainGet + "\r\n":                                                 false,
		"\r\n" + plainGet:                                                 false,
		"GET / HTTP/1.1\r\n\r\n":                                          false,
		"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n":                    false,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n":          false,
		"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n":          true,
		"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n": false,
		"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n":       false,
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n":         false,
		"GET / HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n":                    false,
		"GET / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n":                     false,
		"GET / HTTP/1.1\r\nHost: h h\r\n\r\n":                             false,
		"GET / HTTP/1.1\nHost: h\n\r\n\r\n":                               false,
		"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n":                       false,
		"GET * HTTP/1.1\r\nHost: h\r\n\r\n":                               false,
		"GET / HTTP/2.0\r\nHost: h\r\n\r\n":                               false,
		"POST / HTTP/1.1\r\nHost: h\r\n\r\n":                              false,
		"GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("a", directBytes) + "\r\n\r\n": false,
	} {
		if got := directRequest([]byte(head), directBytes) != nil; got != taken {
			t.Errorf("%q: taken %v", head, got)
		}
	}
}

// FuzzDirectRequest: what is taken is a request that net/http would have found too, the
// same and nothing beside it.
func FuzzDirectRequest(f *testing.F) {
	for _, s := range []string{plainGet, capturedDescribe, capturedPlay, "GET /%zz HTTP/1.1\r\nHost: h\r\nA: \xff\r\n\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		r := directRequest(head, directBytes)
		if r == nil {
			return
		}
		s := asServed(head)
		switch {
		case s == nil:
			t.Fatalf("net/http refuses %q", head)
		case r.Method != s.Method || r.RequestURI != s.RequestURI || r.Host != s.Host || r.Proto != s.Proto || r.Close != s.Close,
			!reflect.DeepEqual(r.URL, s.URL), !reflect.DeepEqual(r.Header, s.Header):
			t.Errorf("%q: %+v, net/http has %+v", head, r, s)
		case s.ContentLength != 0 || len(s.TransferEncoding) > 0 || bodyKind(s) != BodyNone || bodyKind(r) != BodyNone:
			t.Errorf("%q has a body", head)
		}
	})
}

// asServed gives the request that net/http's server makes of a head, or nil.
func asServed(head []byte) (got *http.Request) {
	near, far := net.Pipe()
	in := newHandoff(near.LocalAddr())
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		got = r
	})}
	served := make(chan struct{})
	go func() { _ = server.Serve(in); close(served) }()
	in.give(far)
	go func() { _, _ = near.Write(head) }()
	_, _ = io.Copy(io.Discard, near)
	near.Close()
	server.Close()
	<-served
	return got
}

// TestDirectHijackLate: whether net/http knows the request or not, Hijack gives the
// connection with what follows.
func TestDirectHijackLate(t *testing.T) {
	for _, late := range []bool{false, true} {
		conns := make(chan *Conn, 1)
		l := listen(t, &funcs{exchange: func(x *Exchange) {
			if late {
				x.tellServer()
			}
			if (x.w != nil) != late {
				t.Errorf("net/http knows the request: %v", x.w != nil)
			}
			c, err := x.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conns <- c
		}})
		p := dial(t, l)
		p.say(plainGet)
		c := receive(t, conns)
		p.say("more")
		got := make([]byte, 4)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "more" {
			t.Errorf("read %q, %v", got, err)
		}
		if err := c.TryWrite([]byte("bye")); err != nil {
			t.Error(err)
		}
		c.CloseAfterFlush()
		if s, err := p.ended(); s != "bye" || err != nil {
			t.Errorf("peer got %q, %v", s, err)
		}
		eventually(t, "the request's end", func() bool { return l.Busy() == 0 })
		if n := l.Stats().Requests; n != 1 {
			t.Errorf("%d requests", n)
		}
	}
}

// TestDirectPatienceEnds: requests that take long, and are many, keep no other from being served.
func TestDirectPatienceEnds(t *testing.T) {
	arrived, leave := make(chan struct{}, 2*directCrowd), make(chan struct{})
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if x.Request.URL.Path == "/long" {
			arrived <- struct{}{}
			<-leave
		}
		x.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}})
	defer close(leave)
	for range 2 * directCrowd {
		dial(t, l).say("GET /long HTTP/1.1\r\nHost: h\r\n\r\n")
	}
	for range 2 * directCrowd {
		receive(t, arrived)
	}
	p := dial(t, l)
	p.say("GET /short HTTP/1.1\r\nHost: h\r\n\r\n")
	if r, _ := p.answer("GET"); r.StatusCode != 200 {
		t.Errorf("status %d", r.StatusCode)
	}
}

// TestDirectKeepsAlive: after an answer the connection is net/http's.
func TestDirectKeepsAlive(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		x.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.RemoteAddr+r.URL.Path)
		}))
	}})
	p := dial(t, l)
	for _, path := range []string{"/one", "/two"} {
		p.say("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
		if r, body := p.answer("GET"); r.StatusCode != 200 || body != p.LocalAddr().String()+path {
			t.Errorf("status %d, %q", r.StatusCode, body)
		}
	}
	if n := l.Stats().Requests; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestDirectAbort: a handler that gives up leaves no connection behind, whoever has it.
func TestDirectAbort(t *testing.T) {
	for _, late := range []bool{false, true} {
		var log bytes.Buffer
		l := listen(t, &funcs{exchange: func(x *Exchange) {
			if late {
				x.tellServer()
			}
			panic(http.ErrAbortHandler)
		}}, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		p := dial(t, l)
		p.say(plainGet)
		if s, _ := p.ended(); s != "" {
			t.Errorf("got %q", s)
		}
		l.Close()
		if strings.Contains(log.String(), "panic") {
			t.Error(log.String())
		}
	}
}
