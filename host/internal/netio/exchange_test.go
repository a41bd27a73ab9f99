package netio

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// capturedDescribe and capturedPlay are ffmpeg's two mmsh requests, byte for
// byte (wire digest 1.3): the second has a Pragma that swallowed its CRLF.
var (
	capturedDescribe = crlf(`GET /live HTTP/1.1
Range: bytes=0-
Icy-MetaData: 1
Accept: */*
User-Agent: NSPlayer/4.1.0.3856
Host: 127.0.0.1:18080
Pragma: no-cache,rate=1.000000,stream-time=0,stream-offset=0:0,request-context=1,max-duration=0
Pragma: xClientGUID={c77e7400-738a-11d2-9add-0020af0a3278}
Connection: Close

`)
	capturedPlay = crlf(`GET /live HTTP/1.1
Range: bytes=0-
Connection: close
Icy-MetaData: 1
Accept: */*
User-Agent: NSPlayer/4.1.0.3856
Host: 127.0.0.1:18080
Pragma: no-cache,rate=1.000000,request-context=2
Pragma: xPlayStrm=1
Pragma: xClientGUID={c77e7400-738a-11d2-9add-0020af0a3278}
Pragma: stream-switch-count=2
Pragma: stream-switch-entry=ffff:1:0 ffff:2:0 
Pragma: no-cache,rate=1.000000,stream-time=0Connection: Close

`)
)

func TestCapturedDescribe(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if x.BodyKind() != BodyNone || x.ExpectContinue() || x.Listener != "web" {
			t.Errorf("kind %v, expect %v, listener %q", x.BodyKind(), x.ExpectContinue(), x.Listener)
		}
		h := http.Header{
			"Content-Type":   {"application/vnd.ms.wms-hdr.asfv1"},
			"Pragma":         {"no-cache", "client-id=1234567", `features="broadcast"`},
			"Content-Length": {"99"},
		}
		x.Respond(200, h, [][]byte{[]byte("$H.."), nil, []byte("header")}, true)
	}})
	p := dial(t, l)
	p.say(capturedDescribe)
	r, body := p.answer("GET")
	if r.StatusCode != 200 || body != "$H..header" || r.ContentLength != 10 || len(r.Header["Pragma"]) != 3 {
		t.Errorf("got %d %q %v", r.StatusCode, body, r.Header)
	}
	if rest, err := p.ended(); rest != "" || err != nil {
		t.Errorf("after the answer: %q, %v", rest, err)
	}
}

func TestCapturedPlayWithBrokenPragma(t *testing.T) {
	pragmas := make(chan []string, 1)
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		pragmas <- x.Request.Header["Pragma"]
		head, err := x.Head(200, http.Header{"Content-Type": {"application/x-mms-framed"}}, LengthToClose)
		if err != nil {
			t.Error(err)
		}
		c, err := x.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		c.TryWrite(append(head, "$H$D$D"...))
		c.CloseAfterFlush()
	}})
	p := dial(t, l)
	p.say(capturedPlay)
	got := receive(t, pragmas)
	if len(got) != 6 || got[5] != "no-cache,rate=1.000000,stream-time=0Connection: Close" {
		t.Errorf("pragmas %q", got)
	}
	text, err := p.ended()
	if want := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-mms-framed\r\n\r\n$H$D$D"; text != want || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestRespondForms(t *testing.T) {
	body := [][]byte{[]byte("hello, "), []byte("world")}
	cases := []struct {
		name, request, method string
		status                int
		header                http.Header
		wantBody, wantLength  string
		closes                bool
	}{
		{"plain", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET", 200, nil, "hello, world", "12", false},
		{"head", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD", 200, nil, "", "12", false},
		{"no content", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "POST", 204, nil, "", "", false},
		{"not modified", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET", 304, nil, "", "", false},
		{"http 1.0", "GET / HTTP/1.0\r\n\r\n", "GET", 404, nil, "hello, world", "12", true},
		{"large", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET", 200, http.Header{"transfer-encoding": {"chunked"}}, "hello, world", "12", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := listen(t, &funcs{exchange: func(x *Exchange) {
				if err := x.Respond(c.status, c.header, body, false); err != nil {
					t.Error(err)
				}
			}})
			p := dial(t, l)
			p.say(c.request)
			r, got := p.answer(c.method)
			if r.StatusCode != c.status || got != c.wantBody || r.Header.Get("Content-Length") != c.wantLength {
				t.Errorf("got %d %q %v", r.StatusCode, got, r.Header)
			}
			if _, guessed := r.Header["Content-Type"]; guessed {
				t.Errorf("content type made up: %v", r.Header)
			}
			if c.closes {
				p.ended()
				return
			}
			p.say(c.request)
			if r, _ := p.answer(c.method); r.StatusCode != c.status {
				t.Errorf("second answer %d", r.StatusCode)
			}
		})
	}
}

func TestRespondRefusesBadHeads(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		for _, bad := range []http.Header{{"A b": {"x"}}, {"": {"x"}}, {"A:": {"x"}}, {"A": {"x\r\nB: y"}}, {"A": {"x\x00"}}} {
			if err := x.Respond(200, bad, nil, false); err == nil {
				t.Errorf("header %q accepted", bad)
			}
			if _, err := x.Head(200, bad, 0); err == nil {
				t.Errorf("head with %q accepted", bad)
			}
		}
		for _, bad := range []int{0, 100, 199, 600, -1} {
			if err := x.Respond(bad, nil, nil, false); err == nil {
				t.Errorf("status %d accepted", bad)
			}
		}
		if err := x.Respond(599, http.Header{"Content-Type": {"t\té"}}, nil, true); err != nil {
			t.Error(err)
		}
		if err := x.Respond(200, nil, nil, true); !errors.Is(err, ErrAnswered) {
			t.Errorf("second Respond: %v", err)
		}
		if _, err := x.Hijack(); !errors.Is(err, ErrAnswered) {
			t.Errorf("Hijack after Respond: %v", err)
		}
	}})
	p := dial(t, l)
	p.say("GET / HTTP/1.0\r\n\r\n")
	if r, _ := p.answer("GET"); r.StatusCode != 599 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestUnansweredGets500(t *testing.T) {
	kept := make(chan *Exchange, 1)
	l := listen(t, &funcs{exchange: func(x *Exchange) { kept <- x }})
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if r, _ := p.answer("GET"); r.StatusCode != 500 || !r.Close {
		t.Errorf("got %d, close %v", r.StatusCode, r.Close)
	}
	x := receive(t, kept)
	receive(t, x.Done())
	if err := x.Respond(200, nil, nil, false); !errors.Is(err, ErrAnswered) {
		t.Errorf("late Respond: %v", err)
	}
	if _, err := x.Hijack(); !errors.Is(err, ErrAnswered) {
		t.Errorf("late Hijack: %v", err)
	}
}

func TestAnswerFromAnotherGoroutine(t *testing.T) {
	work := make(chan *Exchange)
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		work <- x
		<-x.Done()
	}})
	var wg sync.WaitGroup
	wg.Go(func() {
		(<-work).Respond(200, nil, [][]byte{[]byte("one")}, false)
		c, err := (<-work).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		c.TryWrite([]byte("two"))
		c.CloseAfterFlush()
	})
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, body := p.answer("GET"); body != "one" {
		t.Errorf("first %q", body)
	}
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if body, _ := p.ended(); body != "two" {
		t.Errorf("second %q", body)
	}
	wg.Wait()
}

func TestPeerGoneEndsContext(t *testing.T) {
	inside, gone := make(chan struct{}), make(chan struct{})
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		close(inside)
		<-x.Request.Context().Done()
		close(gone)
	}})
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	receive(t, inside)
	p.Close()
	receive(t, gone)
}

func TestHeaderFloodGets431(t *testing.T) {
	l := listen(t, &funcs{}, func(o *Options) { o.MaxHeaderBytes = 4096 })
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 16<<10))
	if r, _ := p.answer("GET"); r.StatusCode != 431 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	l := listen(t, &funcs{}, func(o *Options) { o.HeaderTimeout = 20 * time.Millisecond })
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost")
	if got, _ := p.ended(); got != "" && !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("got %q", got)
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) { x.Respond(204, nil, nil, false) }},
		func(o *Options) { o.IdleTimeout = 20 * time.Millisecond })
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	p.answer("GET")
	if got, err := p.ended(); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestMalformedRequestGets400(t *testing.T) {
	l := listen(t, &funcs{})
	for _, in := range []string{"GET /\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n"} {
		p := dial(t, l)
		p.say(in)
		if r, _ := p.answer("GET"); r.StatusCode != 400 {
			t.Errorf("%q: status %d", in, r.StatusCode)
		}
	}
}

func TestHandlerPanicIsLoggedAsError(t *testing.T) {
	var log lockedBuffer
	l := listen(t, &funcs{exchange: func(*Exchange) { panic("boom") }},
		func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	p := dial(t, l)
	p.say("GET / HTTP/1.0\r\n\r\n")
	p.ended()
	l.Close()
	eventually(t, "panic in the log", func() bool {
		return strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "boom")
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var _ io.Writer = (*lockedBuffer)(nil)
