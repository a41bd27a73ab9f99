package netio

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const capturedPush = "POST /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\nUser-Agent: Lavf/59.27.100\r\nAccept: */*\r\n" +
	"Connection: close\r\nHost: 127.0.0.1:18080\r\nIcy-MetaData: 1\r\n\r\n"

const capturedIcecast = "PUT /m.webm HTTP/1.1\r\nUser-Agent: Lavf/59.27.100\r\nAccept: */*\r\nExpect: 100-continue\r\n" +
	"Connection: close\r\nHost: 127.0.0.1:18080\r\nContent-Type: video/webm\r\nIcy-MetaData: 1\r\nIce-Public: 0\r\n" +
	"Authorization: Basic c291cmNlOmhhY2ttZQ==\r\n\r\n"

func TestHijackedBodies(t *testing.T) {
	cases := []struct {
		name, head, wire, want string
		kind                   BodyKind
		err                    error
	}{
		{"chunked", capturedPush, "4\r\n$H..\r\nb\r\n$D123456789\r\n0\r\n\r\n", "$H..$D123456789", BodyChunked, nil},
		{"chunked, killed", capturedPush, "4\r\n$H..\r\nb\r\n$D12", "$H..$D12", BodyChunked, io.ErrUnexpectedEOF},
		{"length", "POST /x HTTP/1.0\r\nContent-Length: 6\r\n\r\n", "abcdefghi", "abcdef", BodyLength, nil},
		{"length, killed", "POST /x HTTP/1.0\r\nContent-Length: 6\r\n\r\n", "abc", "abc", BodyLength, io.ErrUnexpectedEOF},
		{"post to close", "POST /x HTTP/1.1\r\nHost: h\r\n\r\n", "raw\r\n\r\nbody", "raw\r\n\r\nbody", BodyToClose, nil},
		{"source", "SOURCE /m.ogg HTTP/1.1\r\nHost: h\r\n\r\n", "OggS", "OggS", BodyToClose, nil},
		{"source 1.0", "SOURCE /m.ogg HTTP/1.0\r\n\r\n", "OggS", "OggS", BodyToClose, nil},
		{"get", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "more input", "more input", BodyNone, nil},
		{"empty post", "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "", "", BodyNone, nil},
	}
	for _, c := range cases {
		for _, split := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: ", in pieces"}[split], func(t *testing.T) {
				kinds, conns := make(chan BodyKind, 1), make(chan *Conn, 1)
				take := hijacker(t, conns)
				l := listen(t, &funcs{exchange: func(x *Exchange) {
					kinds <- x.BodyKind()
					take.exchange(x)
				}})
				p := dial(t, l)
				if split {
					p.say(c.head)
				} else {
					p.say(c.head + c.wire)
				}
				conn := receive(t, conns)
				if split {
					for i := range c.wire {
						p.say(c.wire[i : i+1])
					}
				}
				p.CloseWrite()
				got, err := io.ReadAll(conn)
				if string(got) != c.want || !errors.Is(err, c.err) {
					t.Errorf("read %q, %v; want %q, %v", got, err, c.want, c.err)
				}
				if kind := receive(t, kinds); kind != c.kind {
					t.Errorf("kind %v, want %v", kind, c.kind)
				}
				conn.Close()
			})
		}
	}
}

func TestChunksArriveAtOnce(t *testing.T) {
	conns := make(chan *Conn, 1)
	l := listen(t, hijacker(t, conns))
	p := dial(t, l)
	p.say(capturedPush)
	c := receive(t, conns)
	defer c.Close()
	b := make([]byte, 100)
	for _, part := range []string{"5\r\nfirst\r\n", "6\r\nsecond\r\n"} {
		p.say(part)
		n, err := c.Read(b)
		if want := strings.Split(part, "\r\n")[1]; string(b[:n]) != want || err != nil {
			t.Errorf("read %q, %v, want %q", b[:n], err, want)
		}
	}
	if c.BytesIn() != uint64(len("5\r\nfirst\r\n6\r\nsecond\r\n")) {
		t.Errorf("%d bytes in", c.BytesIn())
	}
}

func TestExpectContinue(t *testing.T) {
	conns := make(chan *Conn, 1)
	take := hijacker(t, conns)
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if !x.ExpectContinue() || x.BodyKind() != BodyToClose {
			t.Errorf("expect %v, kind %v", x.ExpectContinue(), x.BodyKind())
		}
		take.exchange(x)
	}})
	p := dial(t, l)
	p.say(capturedIcecast)
	c := receive(t, conns)
	for range 2 {
		if err := c.Continue(); err != nil {
			t.Fatal(err)
		}
	}
	const want = "HTTP/1.1 100 Continue\r\n\r\n"
	b := make([]byte, len(want))
	if _, err := io.ReadFull(p.in, b); string(b) != want || err != nil {
		t.Fatalf("got %q, %v", b, err)
	}
	p.say("\x1A\x45\xDF\xA3")
	p.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "\x1A\x45\xDF\xA3" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	c.Close()
	if rest, _ := p.ended(); rest != "" {
		t.Errorf("said also %q", rest)
	}
}

func TestExpectationOfHTTP10IsIgnored(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if x.ExpectContinue() {
			t.Error("expected")
		}
		x.Respond(204, nil, nil, true)
	}})
	p := dial(t, l)
	p.say("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
	p.answer("POST")
}

func TestRefusedPusherIsReset(t *testing.T) {
	for name, head := range map[string]string{
		"chunked":  capturedPush,
		"to close": "POST /live HTTP/1.1\r\nHost: h\r\n\r\n",
		"length":   "POST /live HTTP/1.1\r\nHost: h\r\nContent-Length: 2147483647\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, &funcs{exchange: func(x *Exchange) {
				if err := x.Respond(404, http.Header{"X-Why": {"unknown"}}, [][]byte{[]byte("no")}, false); err != nil {
					t.Error(err)
				}
			}})
			p := dial(t, l)
			p.say(head)
			r, body := p.answer("POST")
			if r.StatusCode != 404 || body != "no" || r.Header.Get("X-Why") != "unknown" || !r.Close {
				t.Errorf("got %d %q %v", r.StatusCode, body, r.Header)
			}
			if err := pushUntilError(p); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("pusher saw %v", err)
			}
		})
	}
}

// pushUntilError sends, as an encoder that reads nothing does.
func pushUntilError(p *peer) error {
	block := make([]byte, 3200)
	for {
		if _, err := p.Write(block); err != nil {
			return err
		}
	}
}

func TestRefusedExpectationIsClosedInPeace(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		x.Respond(401, http.Header{"Www-Authenticate": {`Basic realm="x"`}}, nil, true)
	}})
	p := dial(t, l)
	p.say(capturedIcecast)
	if r, _ := p.answer("PUT"); r.StatusCode != 401 || r.ContentLength != 0 {
		t.Errorf("got %d, length %d", r.StatusCode, r.ContentLength)
	}
	if rest, err := p.ended(); rest != "" || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestBodyThroughRequest(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		b, err := io.ReadAll(x.Request.Body)
		if err != nil {
			t.Error(err)
		}
		if _, err := x.Hijack(); !errors.Is(err, ErrBodyRead) {
			t.Errorf("Hijack after reading: %v", err)
		}
		x.Respond(200, nil, [][]byte{b}, false)
		if _, err := x.Request.Body.Read(b); err == nil {
			t.Error("body readable after the answer")
		}
	}})
	p := dial(t, l)
	for range 2 { // the connection is kept
		p.say("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		if _, body := p.answer("POST"); body != "abc" {
			t.Errorf("echo %q", body)
		}
	}
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 16\r\n\r\nAutoDestroy: 1\r\n")
	if _, body := p.answer("POST"); body != "AutoDestroy: 1\r\n" {
		t.Errorf("echo %q", body)
	}
}

func TestUnreadBodyDoesNotHoldTheAnswer(t *testing.T) {
	answered := make(chan error, 1)
	l := listen(t, &funcs{exchange: func(x *Exchange) { answered <- x.Respond(200, nil, nil, false) }})
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
	if err := receive(t, answered); err != nil {
		t.Fatal(err)
	}
	if r, _ := p.answer("POST"); r.StatusCode != 200 || !r.Close {
		t.Errorf("got %d, close %v", r.StatusCode, r.Close)
	}
	p.say("cd")
	if rest, err := p.ended(); rest != "" || err != nil {
		t.Errorf("then %q, %v", rest, err)
	}
}

func TestStalledBodyTimesOut(t *testing.T) {
	got := make(chan error, 1)
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		_, err := io.ReadAll(x.Request.Body)
		got <- err
	}}, func(o *Options) { o.BodyTimeout = 20 * time.Millisecond })
	p := dial(t, l)
	p.say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
	if err := receive(t, got); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if r, _ := p.answer("POST"); r.StatusCode != 500 {
		t.Errorf("status %d", r.StatusCode)
	}
}

// capturedShout is how libshout brings its stream (VLC 3.0.24, shortened).
const capturedShout = "SOURCE /vlc.ogg HTTP/1.0\r\nAuthorization: Basic c291cmNlOmhhY2ttZQ==\r\nHost: 127.0.0.1:18101\r\n" +
	"User-Agent: VLC media player 3.0.24\r\nContent-Type: application/ogg\r\nice-public: 0\r\nPrefer: return=minimal\r\n\r\n"

// TestSourceIsAnsweredFirst: the client of a SOURCE request of HTTP/1.0 sends nothing before
// it has read its answer, once; others wait for nothing.
func TestSourceIsAnsweredFirst(t *testing.T) {
	cases := []struct {
		name, head, want string
		first            bool
	}{
		{"libshout", capturedShout, "HTTP/1.0 200 OK\r\n\r\n", true},
		{"libshout, expecting", strings.Replace(capturedShout, "ice-public: 0", "Expect: 100-continue", 1), "HTTP/1.0 200 OK\r\n\r\n", true},
		{"known length", strings.Replace(capturedShout, "ice-public: 0", "Content-Length: 4", 1), "HTTP/1.0 200 OK\r\n\r\n", true},
		{"ffmpeg -legacy_icecast 1", "SOURCE /m.ogg HTTP/1.1\r\nHost: h\r\nIce-Public: 0\r\n\r\n", "", false},
		{"expecting", "SOURCE /m.ogg HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", false},
		{"put 1.0", strings.Replace(capturedShout, "SOURCE", "PUT", 1), "", false},
		{"no body", strings.Replace(capturedShout, "ice-public: 0", "Content-Length: 0", 1), "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conns := make(chan *Conn, 1)
			take := hijacker(t, conns)
			l := listen(t, &funcs{exchange: func(x *Exchange) {
				if x.AnswersFirst() != c.first {
					t.Errorf("answers first: %v", x.AnswersFirst())
				}
				if moved := x.l.AdoptExchange(x.Pack()); moved.AnswersFirst() != c.first {
					t.Errorf("in another process it answers first: %v", moved.AnswersFirst())
				}
				take.exchange(x)
			}})
			p := dial(t, l)
			p.say(c.head)
			conn := receive(t, conns)
			for range 2 {
				if err := conn.Continue(); err != nil {
					t.Fatal(err)
				}
			}
			conn.CloseAfterFlush()
			if said, _ := p.ended(); said != c.want {
				t.Errorf("said %q", said)
			}
		})
	}
}
