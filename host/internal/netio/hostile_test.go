package netio

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAmbiguousFramingGets400: nothing that follows such a request is taken for another.
func TestAmbiguousFramingGets400(t *testing.T) {
	var inner atomic.Int32
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if x.Request.URL.Path != "/" {
			inner.Add(1)
		}
		x.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}))
	}})
	const hidden = "GET /hidden HTTP/1.1\nHost: h\n\n"
	others := map[string]string{ // what is known before the framing is judged
		"xchunked": "501", "coding twice": "501", "coding list": "501", // net/http does not know them (RFC 9112 6.1)
		"many blank lines": "", // not recognised as HTTP: closed without a word
	}
	for _, c := range framingCases {
		if !c.bad || c.sound > 0 {
			continue
		}
		p := dial(t, l)
		request := strings.Replace(c.bytes, " HTTP/1.1\n", " HTTP/1.1\nHost: h\n", 1)
		p.say(crlf(request + hidden + hidden))
		p.CloseWrite()
		got, _ := p.ended()
		status, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(got, "HTTP/1.1 "), "HTTP/1.0 "), " ")
		want, other := others[c.name]
		if !other {
			want = "400"
		}
		if status != want {
			t.Errorf("%s: %q, not %s", c.name, got, want)
		}
		if strings.Count(got, "HTTP/1.") > 1 {
			t.Errorf("%s: a second answer: %q", c.name, got)
		}
	}
	if n := inner.Load(); n > 0 {
		t.Errorf("%d hidden requests were served", n)
	}
	if st := l.Stats(); st.BadFraming == 0 || st.Sniffed[OutcomeUnknown] != 1 {
		t.Errorf("counted %+v", st)
	}
}

// TestUnreadBodiesEnd: who is answered without an Exchange and then sends nothing more is not waited for.
func TestUnreadBodiesEnd(t *testing.T) {
	l := listen(t, &funcs{}, func(o *Options) { o.BodyTimeout = 20 * time.Millisecond })
	for _, head := range []string{"POST / HTTP/1.1\nHost: h\nContent-Length: 1000\n\n", "OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"} {
		p := dial(t, l)
		p.say(head)
		_, _ = p.ended() // fails if the connection stays
	}
	eventually(t, "no connection is there", func() bool { return l.Busy() == 0 })
}

// TestBadBodyAfterTheHead: framing that goes wrong once the request is under way.
func TestBadBodyAfterTheHead(t *testing.T) {
	read := make(chan error, 1)
	begun := make(chan struct{})
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		close(begun)
		_, err := io.ReadAll(x.Request.Body)
		read <- err
		x.Respond(400, nil, nil, true)
	}})
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
	receive(t, begun)
	p.say("0x1\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := receive(t, read); err == nil {
		t.Error("the body ended properly")
	}
	if got, _ := p.ended(); strings.Count(got, "HTTP/1.1 ") > 1 {
		t.Errorf("got %q", got)
	}
}

func setLimits(l *Listener, sniffing, waiting int) {
	l.sniffing.mu.Lock()
	l.sniffing.limit = sniffing
	l.sniffing.mu.Unlock()
	l.front.waiting.mu.Lock()
	l.front.waiting.limit = waiting
	l.front.waiting.mu.Unlock()
}

// crowd opens n connections that say text and nothing more.
func crowd(t *testing.T, l *Listener, n int, text string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", l.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err = io.WriteString(c, text); err != nil && text != "" && i < n/2 {
			t.Fatal(err)
		}
		conns[i] = c
	}
	return conns
}

// TestCrowdOfSilentConnections: those who say nothing make room for those who do, and
// what a listener holds for them is bounded.
func TestCrowdOfSilentConnections(t *testing.T) {
	const limit, most = 100, 800
	l := listen(t, &funcs{exchange: func(x *Exchange) { x.Respond(204, nil, nil, true) }},
		func(o *Options) { o.SniffTimeout, o.HeaderTimeout = 10*patience, 10*patience })
	setLimits(l, limit, limit)
	for i, c := range []struct{ name, text string }{{"silent", ""}, {"a letter", "G"}, {"half a head", "GET / HTTP/1.1\r\nHo"}} {
		crowd(t, l, most, c.text)
		eventually(t, c.name+" go", func() bool {
			gone := l.Stats().Sniffed[OutcomeBusy] + l.Stats().Evicted
			return gone >= uint64((i+1)*most-2*limit)
		})
		p := dial(t, l)
		p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if r, _ := p.answer("GET"); r.StatusCode != 204 {
			t.Errorf("%s: status %d", c.name, r.StatusCode)
		}
		if n := runtime.NumGoroutine(); n > 10*limit {
			t.Errorf("%s: %d goroutines", c.name, n)
		}
	}
	if l.Stats().Evicted == 0 {
		t.Error("no connection with half a head had to go")
	}
}

// TestIdleConnectionsMakeRoom: kept connections are the first to go.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) { x.Respond(204, nil, nil, false) }})
	setLimits(l, 100, 2)
	var peers []*peer
	for range 4 {
		p := dial(t, l)
		p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		p.answer("GET")
		peers = append(peers, p)
		eventually(t, "idle", func() bool {
			l.front.waiting.mu.Lock()
			defer l.front.waiting.mu.Unlock()
			return l.front.waiting.order.Len() == min(len(peers), 2)
		})
	}
	for i, p := range peers {
		p.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		b := make([]byte, 1)
		_, err := p.in.Read(b)
		if gone := err != nil; gone != (i < 2) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

func TestSlowHeaderOverTLS(t *testing.T) {
	l := listen(t, &funcs{}, withTLS(t), func(o *Options) { o.HeaderTimeout = 20 * time.Millisecond })
	c := dialTLS(t, l, "http/1.1")
	io.WriteString(c, "GET / HTTP/1.1\r\nHost")
	if got, _ := io.ReadAll(c); len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 400 ") {
		t.Errorf("got %q", got)
	}
}

func TestManyFieldsGet431(t *testing.T) {
	l := listen(t, &funcs{})
	p := dial(t, l)
	p.say("GET / HTTP/1.1\r\nHost: h\r\n")
	go io.WriteString(p.TCPConn, strings.Repeat("X-Y: z\r\n", 100_000))
	if r, _ := p.answer("GET"); r.StatusCode != 431 {
		t.Errorf("status %d", r.StatusCode)
	}
}

func TestRTSPIsRefusedAtOnce(t *testing.T) {
	l := listen(t, &funcs{})
	p := dial(t, l)
	p.say("OPTIONS rtsp://127.0.0.1/live RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: LibVLC\r\n\r\n")
	if got, err := p.ended(); err != nil || got != "RTSP/1.0 503 Service Unavailable\r\nCSeq: 2\r\nConnection: close\r\n\r\n" {
		t.Errorf("got %q, %v", got, err)
	}
	eventually(t, "rtsp_untaken", func() bool { return l.Stats().Sniffed[OutcomeRTSP] == 1 })
	p = dial(t, l)
	p.say("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
	if r, _ := p.answer("OPTIONS"); r.StatusCode != 200 {
		t.Errorf("OPTIONS *: %d", r.StatusCode)
	}
}
