package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const (
	// usersText has anna, whose password is "geheim"; in a rig bert has the same.
	usersText = "anna:pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0c2FsdA$+ekBNZm1wUryFHvU1mkPPClkzjsag51ZptuZ6xgrwuo"

	guardedYAML = `
name: guarded
roles: [control]
listens:
  http:
    - {name: play, methods: [GET], path: "/{point}"}
    - {name: push, methods: [POST], path: "/{point}"}
  raw: [{name: line, offset: 0, hex: "53415920"}]
capabilities: [attach, publish]
refusal: {server: Cougar/9.6}
`
)

// guard has users and rules in force in a rig.
func (r *rig) guard(rules ...access.Rule) *access.Guard {
	r.t.Helper()
	users, err := access.ParseUsers("users", []byte(usersText+"\n"+strings.Replace(usersText, "anna", "bert", 1)))
	if err != nil {
		r.t.Fatal(err)
	}
	g := access.New(access.Options{Log: r.room.log})
	g.Set(&access.Policy{Realm: "weir", Users: users, Rules: rules})
	r.room.options.Access = g
	return g
}

const annas = "Authorization: Basic YW5uYTpnZWhlaW0=\n"

// TestGuardedRequests: a request is judged before its plugin hears of it, and the plugin
// is told who asks, not by which words.
func TestGuardedRequests(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live"})
	seen := newRecorder()
	r.add(guardedYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if q, ok := e.(*abi.HTTPRequest); ok {
			seen.add(fmt.Sprintf("%s by %q", q.Method, q.User))
			for f := range q.Fields.All() {
				if strings.Contains(string(f.Name), "uthorization") {
					seen.add("credentials " + string(f.Value))
				}
			}
			v.RespondText(200, 0, "done")
		}
		return nil
	})
	r.guard(access.Rule{Publish: true, Users: []string{"anna"}, Methods: access.Basic},
		access.Rule{Play: true, NotFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	at := r.listen()
	ask := func(request string) string {
		t.Helper()
		b, err := io.ReadAll(r.dial(at, request))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const post = "POST /live HTTP/1.1\nHost: h\nConnection: close\nContent-Length: 0\n"
	for _, c := range []struct{ request, status, has string }{
		{post + "\n", "401", "Www-Authenticate: Basic realm=\"weir\"\r\n"},
		{post + "\n", "401", "Server: Cougar/9.6\r\n"},
		{post + annas + "Proxy-Authorization: Basic abc\n\n", "200", "done"},
		{post + "Authorization: Basic YW5uYTp4\n\n", "401", "no such user"},
		{"GET /live HTTP/1.1\nHost: h\nConnection: close\n\n", "403", "your address"},
		{"GET /live HTTP/1.1\nHost: h\nConnection: close\n" + annas + "\n", "403", "your address"},
		{"POST /live HTTP/1.1\nHost: h\nExpect: 100-continue\nTransfer-Encoding: chunked\n\n", "401", "Connection: close\r\n"},
	} {
		if got := ask(c.request); !strings.HasPrefix(got, "HTTP/1.1 "+c.status+" ") || !strings.Contains(got, c.has) {
			t.Errorf("%s\nanswer %s\nwant %s with %q", c.request, got, c.status, c.has)
		}
	}
	if got := fmt.Sprint(seen.list()); got != `[POST by "anna"]` {
		t.Errorf("the plugin saw %s", got)
	}
	// An encoder that sends without asking reads no answer: it is reset (wire digest §0.11).
	c := r.dial(at, "POST /live HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n5\nhello\n")
	var err error
	for err == nil {
		_, err = c.Write([]byte("5\r\nhello\r\n"))
	}
	if _, is := errors.AsType[*net.OpError](err); !is {
		t.Errorf("an encoder was not reset: %v", err)
	}
}

// TestSecondWall: whatever a plugin does, nobody is attached and nothing published who
// may not.
func TestSecondWall(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	var said atomic.Uint64 // bytes; the batch that consumes them may be refused
	r.add(guardedYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Data:
			said.Store(e.Offset + uint64(len(e.Bytes)))
			v.Consume(0, said.Load())
			words := strings.Fields(string(e.Bytes)[4:])
			switch words[0] {
			case "play":
				v.Attach(abi.Attach{Point: []byte("live"), Rendition: []byte("x")}, nil)
			case "header":
				p := v.Pieces()
				p.RenditionHeader([]byte("live"), "x")
				v.Write(0, p)
			case "watch":
				v.Watch([]byte("live"))
			case "publish":
				v.Publish([]byte("live"), "bytes:x", 0)
			case "login":
				v.Login(abi.Login{Point: []byte("live"), For: abi.LoginPublish, Method: []byte("SAY"), URI: []byte("x"), Authorization: []byte(strings.Join(words[1:], " "))})
			}
		case *abi.Point:
			seen.add("watching")
		case *abi.Refused:
			v.Consume(1, said.Load())
			seen.add(fmt.Sprintf("refused %v", e.Code))
		case *abi.Logged:
			text := fmt.Sprintf("logged %v %q", e.Code, e.User)
			for f := range e.Fields.All() {
				text += fmt.Sprintf(" %s: %.5s", f.Name, f.Value)
			}
			seen.add(text)
		}
		return nil
	})
	g := r.guard(access.Rule{Publish: true, Users: []string{"anna"}, Methods: access.Basic}, access.Rule{Play: true, Closed: true})
	at := r.listen()
	say := func(what ...string) {
		t.Helper()
		want := []string{}
		c := r.dial(at, "")
		for i := 0; i < len(what); i += 2 {
			if _, err := io.WriteString(c, "SAY "+what[i]+"\n"); err != nil {
				t.Fatal(err)
			}
			want = append(want, what[i+1])
			until(t, fmt.Sprintf("after %q: %q, want %q", what[i], seen.list(), want), func() bool { return fmt.Sprint(seen.list()) == fmt.Sprint(want) })
		}
		c.Close()
		seen.mu.Lock()
		seen.all = nil
		seen.mu.Unlock()
	}
	say("play", "refused EPERM")
	say("header", "refused EPERM")
	say("watch", "refused EPERM")
	say("login Basic YW5uYTpnZWhlaW0=", `logged OK "anna"`, "watch", "watching") // who may publish may
	say("publish", "refused EAUTH", "login", `logged EAUTH "" WWW-Authenticate: Basic`, "login Basic YW5uYTp4", `logged EAUTH "" WWW-Authenticate: Basic`,
		"publish", "refused EAUTH", "login Basic YW5uYTpnZWhlaW0=", `logged OK "anna"`, "publish", "refused ENOSYS") // there is no format plugin
	st := g.Stats()
	if st.Judged[access.Play][access.NoAddress] == 0 || st.Judged[access.Publish][access.NoLogin] < 3 || st.Judged[access.Publish][access.Admitted] == 0 {
		t.Errorf("counted %+v", st.Judged)
	}
}

// TestKeysOfUsers: a key leads to a session of the same user alone.
func TestKeysOfUsers(t *testing.T) {
	k := newKeeping(t, time.Minute, 1)
	k.guard(access.Rule{Play: true, Publish: true, Users: []string{access.AnyUser}, Methods: access.Basic})
	ask := func(method, name string) string {
		t.Helper()
		c := k.dial(k.at, fmt.Sprintf("%s /a HTTP/1.1\nHost: h\nAuthorization: Basic %s\nContent-Length: 0\n\n", method, base64.StdEncoding.EncodeToString([]byte(name+":geheim"))))
		return hear(t, c)
	}
	for _, c := range []struct{ method, user, want string }{{"GET", "anna", "bound"}, {"POST", "bert", "EPERM"}, {"POST", "anna", "conn 2, state k"}} {
		if got := ask(c.method, c.user); got != c.want {
			t.Errorf("%s by %s: %q, want %q", c.method, c.user, got, c.want)
		}
	}
}

// TestFaultsShowNoCredentials: the frame that is kept of a fault has none.
func TestFaultsShowNoCredentials(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live"})
	runner := r.add(guardedYAML, func(_ *memo, e abi.Record, _ *sdk.Verdicts) error {
		if _, is := e.(*abi.Data); is {
			panic("as told")
		}
		return nil
	})
	r.dial(r.listen(), "SAY hello\nAuthorization: Basic YW5uYTpnZWhlaW0=\n\n")
	until(t, "no fault", func() bool { return len(runner.Faults()) > 0 })
	for _, f := range runner.Faults() {
		if frame := string(f.Fault.Frame); strings.Contains(frame, "YW5uYTpnZWhlaW0=") || !strings.Contains(frame, "Authorization: Basic ****************") {
			t.Errorf("the frame is %q", frame)
		}
	}
}
