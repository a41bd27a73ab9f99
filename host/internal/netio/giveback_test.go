package netio

import (
	"io"
	"net/http"
	"testing"
)

// giver accepts each body, reads it to its end, and gives the connection back.
func giver(t *testing.T, answered chan<- error) *funcs {
	return &funcs{exchange: func(x *Exchange) {
		if x.BodyKind() != BodyLength {
			if err := x.Respond(200, nil, [][]byte{[]byte(x.Request.URL.Path)}, false); err != nil {
				t.Error(err)
			}
			return
		}
		c, err := x.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		b, err := io.ReadAll(readerOf{c})
		if err != nil {
			t.Error(err)
		}
		err = x.GiveBack(c, 200, http.Header{"X-Got": {string(b)}}, []byte("taken"))
		if err != nil {
			c.closeWith([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"))
		}
		answered <- err
	}}
}

type readerOf struct{ *Conn }

// TestGiveBack: a connection whose body was taken serves further requests, also one that
// was sent ahead.
func TestGiveBack(t *testing.T) {
	answered := make(chan error, 10)
	l := listen(t, giver(t, answered))
	p := dial(t, l)
	const post = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
	for _, said := range []string{post, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n", post + "GET /c HTTP/1.1\r\nHost: h\r\n\r\n"} {
		p.say(said)
		r, body := p.answer("POST")
		if want := map[bool]string{true: "taken", false: "/b"}[said != "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"]; r.StatusCode != 200 || body != want || r.Close {
			t.Fatalf("answer %d %q, close %v", r.StatusCode, body, r.Close)
		}
	}
	if _, body := p.answer("GET"); body != "/c" {
		t.Errorf("the request that was sent ahead is answered %q", body)
	}
	for range 2 {
		if err := receive(t, answered); err != nil {
			t.Error(err)
		}
	}
}

// TestNotGivenBack: who wants the connection closed gets it closed.
func TestNotGivenBack(t *testing.T) {
	for name, head := range map[string]string{
		"close":    "POST /a HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n",
		"HTTP/1.0": "POST /a HTTP/1.0\r\nHost: h\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answered := make(chan error, 1)
			p := dial(t, listen(t, giver(t, answered)))
			p.say(head + "Content-Length: 5\r\n\r\nhello")
			if err := receive(t, answered); err == nil {
				t.Error("it is given back")
			}
			if _, err := p.ended(); err != nil {
				t.Error(err)
			}
		})
	}
	answered := make(chan error, 1)
	p := dial(t, listen(t, giver(t, answered)))
	p.say("POST /a HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello")
	if err := receive(t, answered); err != nil {
		t.Errorf("HTTP/1.0 with keep-alive: %v", err)
	}
	if r, _ := p.answer("POST"); r.StatusCode != 200 || r.Header.Get("Connection") != "Keep-Alive" {
		t.Errorf("answer %v", r.Header)
	}
}

// TestGiveBackWhileClosing: a listener that closes meanwhile leaves nothing behind.
func TestGiveBackWhileClosing(t *testing.T) {
	answered := make(chan error, 1)
	l := listen(t, giver(t, answered))
	p := dial(t, l)
	p.say("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell")
	go l.Close()
	_, _ = io.WriteString(p.TCPConn, "o") // it may be closed already
	_, _ = p.ended()
}
