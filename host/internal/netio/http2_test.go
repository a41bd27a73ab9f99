package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// client2 speaks HTTP/2 with a listener.
func client2(t *testing.T, l *Listener) (*http.Client, string) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}, "https://" + l.Addrs()[0].String()
}

func TestHTTP2Respond(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		if x.Request.ProtoMajor != 2 || !x.TLS() || !x.Local.IsValid() || !x.Remote.IsValid() {
			t.Errorf("%s %v %v %v", x.Request.Proto, x.TLS(), x.Local, x.Remote)
		}
		h := http.Header{"Content-Type": {"text/plain"}, "Connection": {"close"}, "Keep-Alive": {"5"}}
		if err := x.Respond(200, h, [][]byte{[]byte(x.BodyKind().String())}, true); err != nil {
			t.Error(err)
		}
	}}, withTLS(t))
	c, base := client2(t, l)
	for _, q := range []struct {
		method string
		body   io.Reader
		want   string
	}{
		{"GET", nil, "none"},
		{"POST", strings.NewReader("12345"), "length"},
		{"POST", struct{ io.Reader }{strings.NewReader("12345")}, "chunked"},
		{"POST", nil, "none"},
	} {
		r, err := http.NewRequest(q.method, base, q.body)
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		if err != nil || string(b) != q.want || a.ProtoMajor != 2 || a.StatusCode != 200 || a.Header.Get("Keep-Alive") != "" {
			t.Errorf("%s: %q %v %v %v", q.want, b, err, a.Proto, a.Header)
		}
	}
	if s := l.Stats(); s.Sniffed[OutcomeHTTP2] != 1 || s.Accepted != 1 {
		t.Errorf("connections were not kept: %+v", s)
	}
}

// hijacked2 gives the Conn of one HTTP/2 request and its response's body.
func hijacked2(t *testing.T, method string, body io.Reader) (*Listener, *Conn, *Exchange, <-chan *http.Response, context.CancelFunc) {
	t.Helper()
	conns, exchanges := make(chan *Conn, 1), make(chan *Exchange, 1)
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		c, err := x.Hijack()
		if err != nil {
			t.Error(err)
		}
		exchanges <- x
		conns <- c
	}}, withTLS(t))
	client, base := client2(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, base+"/live", body)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan *http.Response, 1)
	go func() {
		a, err := client.Do(r)
		if err != nil {
			a = &http.Response{Status: err.Error(), Body: http.NoBody}
		}
		answers <- a
	}()
	c := receive(t, conns)
	t.Cleanup(c.Close)
	return l, c, receive(t, exchanges), answers, cancel
}

// TestHTTP2Viewer: what a viewer's descriptor carries arrives at once, also when the
// listener has closed, and the client's leaving is seen as a hang-up.
func TestHTTP2Viewer(t *testing.T) {
	l, c, x, answers, cancel := hijacked2(t, "GET", nil)
	head, err := x.Head(200, http.Header{"Content-Type": {"video/x-ms-asf"}, "X-A": {"1", "2"}}, LengthToClose)
	if err != nil {
		t.Fatal(err)
	}
	fd, _, _, err := c.Detach()
	if err != nil || !c.TLS() {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	unix.Write(fd, append(head, "first"...))
	a := receive(t, answers)
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "video/x-ms-asf" || len(a.Header["X-A"]) != 2 || a.ProtoMajor != 2 {
		t.Fatalf("%v %v", a.Status, a.Header)
	}
	if got := readFull(t, a.Body, 5); got != "first" {
		t.Error(got)
	}
	l.Close()
	for range 20 {
		unix.Write(fd, []byte("more"))
		if got := readFull(t, a.Body, 4); got != "more" {
			t.Error(got)
		}
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if n, _ := unix.Poll(poll, 0); n != 0 {
		t.Error("a hang-up too early")
	}
	cancel()
	if n, err := unix.Poll(poll, int(patience.Milliseconds())); n != 1 || err != nil {
		t.Errorf("the client's leaving is not seen: %d %v", n, err)
	}
}

func TestHTTP2ViewerEnds(t *testing.T) {
	_, c, x, answers, _ := hijacked2(t, "GET", nil)
	head, _ := x.Head(200, nil, LengthToClose)
	c.TryWrite(append(head, "all of it"...))
	c.CloseAfterFlush()
	a := receive(t, answers)
	if b, err := io.ReadAll(a.Body); string(b) != "all of it" || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

func TestHTTP2CutShort(t *testing.T) {
	for name, end := range map[string]func(*Conn, *Exchange){
		"nothing": func(c *Conn, _ *Exchange) { c.Close() },
		"half": func(c *Conn, x *Exchange) {
			head, _ := x.Head(200, nil, 100)
			c.TryWrite(append(head, "half"...))
			c.CloseAfterFlush()
		},
		"reset": func(c *Conn, x *Exchange) {
			head, _ := x.Head(503, nil, LengthToClose)
			c.Reject(append(head, "go away"...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, c, x, answers, _ := hijacked2(t, "GET", nil)
			end(c, x)
			a := receive(t, answers)
			b, err := io.ReadAll(a.Body)
			if a.StatusCode == 200 && err == nil || name == "reset" && a.StatusCode != 503 {
				t.Errorf("%s: %q %v", a.Status, b, err)
			}
		})
	}
}

// TestHTTP2Encoder: a body of unknown length arrives as it is sent, and its proper end is
// told from a break.
func TestHTTP2Encoder(t *testing.T) {
	for _, proper := range []bool{true, false} {
		out, in := io.Pipe()
		_, c, x, answers, _ := hijacked2(t, "POST", out)
		if x.BodyKind() != BodyChunked {
			t.Error(x.BodyKind())
		}
		sum := 0
		for i := range 10 {
			text := strings.Repeat("m", 1+i*3000)
			go in.Write([]byte(text))
			sum += len(readFull(t, c, len(text)))
		}
		if proper {
			in.Close()
		} else {
			in.CloseWithError(errors.New("broken"))
		}
		_, err := c.Read(make([]byte, 1))
		if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[proper]; !errors.Is(err, want) {
			t.Errorf("proper %v: %v", proper, err)
		}
		if proper {
			head, _ := x.Head(200, nil, 2)
			c.TryWrite(append(head, "ok"...))
			c.CloseAfterFlush()
			if a := receive(t, answers); a.StatusCode != 200 {
				t.Error(a.Status)
			}
		}
		c.Close()
	}
}

func TestHTTP2EncoderWithLength(t *testing.T) {
	_, c, x, answers, _ := hijacked2(t, "PUT", strings.NewReader("0123456789"))
	if got, err := io.ReadAll(c); string(got) != "0123456789" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	c.Continue() // nobody waits
	head, _ := x.Head(201, nil, 0)
	c.TryWrite(append([]byte("HTTP/1.1 100 Continue\r\n\r\n"), head...))
	c.CloseAfterFlush()
	if a := receive(t, answers); a.StatusCode != 201 {
		t.Error(a.Status)
	}
}

// TestHTTP2ListenerClose: requests that are not hijacked end with the listener.
func TestHTTP2ListenerClose(t *testing.T) {
	inside := make(chan struct{})
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		close(inside)
		<-x.Request.Context().Done()
	}}, withTLS(t))
	client, base := client2(t, l)
	failed := make(chan int, 1)
	go func() {
		a, err := client.Get(base)
		if err != nil {
			failed <- 0
			return
		}
		a.Body.Close()
		failed <- a.StatusCode
	}()
	receive(t, inside)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	if status := receive(t, failed); status == 200 {
		t.Error("answered with 200")
	}
}
