package session

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const pullerYAML = `
name: puller
roles: [source]
sources: [http, tcp]
capabilities: [publish, dial]
state: {schema: puller/1}
`

// puller feeds a point from its URL, and tells what it hears. A redirect is followed.
func puller(seen *recorder, silence time.Duration) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Start:
			*m = append(memo(nil), e.Point...)
			v.DialWith(abi.Dial{Conn: 2, URL: e.URL, Silence: int64(silence)}, nil)
		case *abi.Dialed:
			seen.add(fmt.Sprintf("dialed %d %v %s", e.Conn, e.Code, e.Text))
			if e.Code == abi.OK {
				p := v.Pieces()
				p.Text("hello")
				v.Write(e.Conn, p)
			} else {
				v.Close(0, abi.CloseNow, string(e.Text))
			}
		case *abi.HTTPReply:
			seen.add(fmt.Sprintf("reply %d %d", e.Conn, e.Status))
			for f := range e.Fields.All() {
				if string(f.Name) == "Location" {
					v.DialWith(abi.Dial{Conn: e.Conn + 1, URL: f.Value}, nil)
					v.Close(e.Conn, abi.CloseNow, "elsewhere")
				}
			}
		case *abi.Data:
			if e.Flags&abi.DataLast == 0 && len(e.Bytes) < len("published") {
				v.Need(e.Conn, len("published"))
				return nil
			}
			seen.add(fmt.Sprintf("data %d %.9s", e.Conn, e.Bytes))
			v.Publish(*m, "bytes:toy", 0)
			v.Consume(e.Conn, e.Offset+uint64(len("published")))
			v.FeedThrough(e.Conn)
		case *abi.End:
			seen.add(fmt.Sprintf("end %d %d %d", e.Conn, e.Reason, e.Offset))
		case *abi.Refused:
			seen.add(fmt.Sprintf("refused %v %s", e.Code, e.Text))
			v.Close(0, abi.CloseNow, string(e.Text))
		}
		return nil
	}
}

func (r *rig) pull(t *testing.T, g Grant, url string, silence time.Duration) *recorder {
	t.Helper()
	seen := newRecorder()
	r.add(toyYAML, toy)
	runner := r.add(pullerYAML, puller(seen, silence))
	runner.SetGrant(g)
	p := point.New(point.Options{Name: "tv", URL: url, Grace: time.Minute}, nil)
	r.room.SetPoints(map[string]*point.Point{"tv": p})
	r.points["tv"] = p
	r.room.StartSources()
	return seen
}

// TestDialHTTP: the body of what a redirect leads to feeds a point. The end of the first
// connection is not the session's.
func TestDialHTTP(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/live" {
			http.Redirect(w, q, "http://"+q.Host+"/live", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "published")
		w.(http.Flusher).Flush()
		for range 30 {
			_, _ = w.Write(toyPacket(0, "payload"))
		}
	}))
	defer s.Close()
	r := newRig(t, false)
	seen := r.pull(t, everything, s.URL+"/x", time.Minute)
	seen.wait(t, "reply 2 302")
	seen.wait(t, "reply 3 200")
	seen.wait(t, "data 3 published")
	seen.wait(t, "end 3 0")
	to, err := r.points["tv"].Rendition("toy")
	if err != nil || len(follow(to.Log).list()) != 30 {
		t.Fatalf("%v; seen %q", err, seen.list())
	}
}

// TestDialTCP: a connection of its own takes WRITE, and its peer's silence ends it.
func TestDialTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 9)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 5)
			_, _ = io.ReadFull(c, b)
			heard <- string(b)
			_, _ = io.WriteString(c, "published")
			_, _ = io.Copy(io.Discard, c) // till weir gives up
			c.Close()
		}
	}()
	r := newRig(t, false)
	seen := r.pull(t, everything, "tcp://"+l.Addr().String(), 50*time.Millisecond)
	if got := <-heard; got != "hello" {
		t.Errorf("sent %q", got)
	}
	seen.wait(t, "data 2 published")
	seen.wait(t, "end 2 2 9")
	<-heard // it is dialled again
}

// TestDialedHostRefused: what is not granted, is no such URL, or does not answer.
func TestDialedHostRefused(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	odd := httptest.NewUnstartedServer(nil)
	odd.Listener.Close()
	none, outside := everything, everything
	none.Dial = nil
	outside.Dial = func(_, _ string, to netip.AddrPort) bool { return !to.Addr().IsLoopback() }
	for _, c := range []struct {
		url   string
		grant Grant
		want  string
	}{
		{"http://192.0.2.1:8080/x", none, `refused EPERM connecting to 192.0.2.1:8080 is not granted`},
		{"http://encoder.invalid", none, `refused EPERM connecting to encoder.invalid is not granted to this plugin in plugins.yaml (grant: dial: ["tcp:encoder.invalid:80"])`},
		{"tcp://127.0.0.1:1", outside, `refused EPERM connecting to 127.0.0.1:1 is not granted to this plugin in plugins.yaml (grant: dial: ["tcp:127.0.0.1:1"])`},
		{"tcp://localhost:1", outside, `dialed 2 EPERM connecting to `},
		{"http://bad..name", everything, `dialed 2 ENOENT lookup bad..name`},
		{"tcp://" + gone.Addr().String(), everything, "dialed 2 ECLOSED " + gone.Addr().String() + ": connection refused"},
		{"http://u:p@127.0.0.1/x", everything, "refused EINVAL the URL holds a user"},
		{"tcp://127.0.0.1", everything, "refused EINVAL"},
		{"http:///x", everything, "refused EINVAL"},
	} {
		r := newRig(t, false)
		got := r.pull(t, c.grant, c.url, 0).wait(t, "")
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.url, got, c.want)
		}
		r.room.Close()
	}
}

// TestDialNot: answers that are none.
func TestDialNot(t *testing.T) {
	for answer, want := range map[string]string{
		"220 mail\r\n": "dialed 2 EPROTO", "": "dialed 2 ECLOSED", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 64<<10): "dialed 2 ETOOBIG",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}()
		r := newRig(t, false)
		r.pull(t, everything, "http://"+l.Addr().String(), 0).wait(t, want)
		r.room.Close()
		l.Close()
	}
}

// TestQuestions: which requests a plugin may send.
func TestQuestions(t *testing.T) {
	r := newRig(t, false)
	for _, c := range []struct {
		method, name, value string
		want                abi.Code
	}{
		{"", "Accept", "*/*", abi.OK}, {"OPTIONS", "X", "", abi.OK}, {"CONNECT", "X", "", abi.EINVAL}, {"G T", "X", "", abi.EINVAL},
		{"GET", "host", "other", abi.EINVAL}, {"GET", "TE", "x", abi.EINVAL}, {"GET", "A b", "x", abi.EINVAL}, {"GET", "A", "x\r\nB: c", abi.EINVAL},
		{"GET", "A", strings.Repeat("x", maxQuestion), abi.ETOOBIG},
	} {
		d := &abi.Dial{Method: []byte(c.method)}
		d.Fields.Add([]byte(c.name), []byte(c.value))
		u, _, err := parseReachURL("http://encoder/x")
		if err != nil {
			t.Fatal(err)
		}
		q, err := r.room.question(u, d)
		var no *denied
		switch {
		case c.want == abi.OK && (err != nil || q.Method == "" || q.Header.Get("User-Agent") != "weir/test"):
			t.Errorf("%+v: %+v, %v", c, q, err)
		case c.want != abi.OK && (!errors.As(err, &no) || no.code != c.want):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestParseReachURL(t *testing.T) {
	for s, want := range map[string]string{
		"http://encoder": "http encoder 80", "https://[::1]/x?y": "https ::1 443", "tcp://192.0.2.1:5000": "tcp 192.0.2.1 5000", "tls://a:443": "tls a 443",
		"http://a:0": "", "http://a:70000": "", "tcp://a": "", "tcp://a:1/x": "", "tls://a:1?x": "", "http://": "", "http:x": "", "http://a/#x": "",
		"http://u@a/": "", "http://[fe80::1%25eth0]/": "", "http://%zz/": "",
	} {
		got := ""
		if u, port, err := parseReachURL(s); err == nil {
			got = fmt.Sprintf("%s %s %d", u.Scheme, u.Hostname(), port)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
}

func FuzzParseReachURL(f *testing.F) {
	f.Add("http://encoder:8080/x?y")
	f.Add("tcp://[::1]:5000")
	f.Fuzz(func(t *testing.T, s string) {
		if u, port, err := parseReachURL(s); err == nil && (port == 0 || u.Hostname() == "" || u.User != nil) {
			t.Errorf("%q: %v %d", s, u, port)
		}
	})
}
