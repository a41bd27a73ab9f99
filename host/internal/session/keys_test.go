package session

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const lockerYAML = `
name: locker
roles: [control, source]
listens:
  http: [{name: all, methods: [GET, POST], path: "/{point}"}]
capabilities: [publish]
state: {schema: locker/1}
`

// locker answers GET by a session with the path as key, kept for as long as the query
// says; POST joins it. It counts in its state, and feeds the point what it is sent.
func locker(seen *recorder, keep time.Duration) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			*m = lockerRequest(*m, e, v, keep)
		case *abi.Data:
			if string(e.Bytes) == "trap" {
				panic("as told")
			}
			if !strings.Contains(string(*m), "!") {
				v.PublishFrom(nil, []byte("live"), "bytes:toy", 0)
				*m = append(*m, '!')
			}
			p := v.Pieces()
			p.Input(e.Offset, len(e.Bytes))
			v.Feed(e.Conn, p)
			v.Consume(e.Conn, e.Offset+uint64(len(e.Bytes)))
		case *abi.End:
			if e.Reason == abi.EndClosed {
				v.RespondText(200, 0, fmt.Sprintf("conn %d, state %s", e.Conn, *m))
			}
		case *abi.Refused:
			seen.add(fmt.Sprintf("refused %v during %v: %s", e.Code, e.During, e.Text))
			v.RespondText(409, abi.ResponseClose, e.Code.String())
		case *abi.Timer:
			seen.add("timer")
			v.Close(0, abi.CloseNow, "timer")
		}
		return nil
	}
}

func lockerRequest(m memo, e *abi.HTTPRequest, v *sdk.Verdicts, keep time.Duration) memo {
	switch {
	case string(e.Query) == "timer":
		v.BindKey(e.Path, int64(keep))
		v.SetTimer(1, int64(time.Millisecond))
		v.RespondText(200, 0, "bound")
	case string(e.Method) == "GET":
		v.BindKey(e.Path, int64(keep))
		v.RespondText(200, 0, "bound")
		return memo("k")
	case len(m) == 0:
		v.JoinKey(e.Path)
		return m
	case e.Body == abi.BodyNone:
		v.RespondText(200, 0, fmt.Sprintf("conn %d, state %s", e.Conn, m))
	default:
		v.Accept(e.Conn)
	}
	return append(m, 'p')
}

type keeping struct {
	*rig
	runner *Runner
	seen   *recorder
	at     string
}

func newKeeping(t *testing.T, keep time.Duration, instances int) *keeping {
	t.Helper()
	k := &keeping{rig: newRig(t, false, point.Options{Name: "live", Grace: time.Minute}), seen: newRecorder()}
	k.add(toyYAML, toy)
	k.runner = k.add(lockerYAML, locker(k.seen, keep))
	k.runner.SetInstances(instances)
	k.at = k.listen()
	return k
}

// say makes a request on a connection and gives the answer's body.
func say(t *testing.T, c net.Conn, method, path, body string) string {
	t.Helper()
	_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	return hear(t, c)
}

// hear reads one answer; nothing is sent behind it.
func hear(t *testing.T, c net.Conn) string {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodPost})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestJoin: requests on one connection and on others are one session, on whichever worker
// they are told of first; its state and its child go on.
func TestJoin(t *testing.T) {
	for _, instances := range []int{1, 3} {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			k := newKeeping(t, time.Minute, instances)
			one, two := k.dial(k.at, ""), k.dial(k.at, "")
			if got := say(t, one, "GET", "/a", ""); got != "bound" {
				t.Fatal(got)
			}
			packet := string(toyPacket(0, "one"))
			for i, c := range []struct {
				conn       net.Conn
				body, want string
			}{
				{one, packet[:5], "conn 2, state kp!"}, {one, packet[5:], "conn 3, state kp!p"},
				{two, "", "conn 4, state kp!p"}, {one, packet, "conn 5, state kp!ppp"},
			} {
				if got := say(t, c.conn, "POST", "/a", c.body); got != c.want {
					t.Fatalf("request %d: %q, want %q", i, got, c.want)
				}
			}
			k.waitPackets(t, 2)
			if n := k.points["live"].Snapshot().Sources; n != 1 {
				t.Errorf("%d sources", n)
			}
			k.waitSessions(k.runner, 1)
		})
	}
}

func (k *keeping) waitPackets(t *testing.T, n uint64) {
	t.Helper()
	until(t, "the packets did not come", func() bool {
		r, err := k.points["live"].Rendition("toy")
		if err != nil {
			return false
		}
		_, next := r.Log.Bounds()
		return next >= n
	})
}

// TestJoinIsRefused: where no session has the key, or one is busy, who asks is told, and
// the session that is there goes on.
func TestJoinIsRefused(t *testing.T) {
	k := newKeeping(t, time.Minute, 2)
	if got := say(t, k.dial(k.at, ""), "POST", "/nobody", "x"); got != "ENOENT" {
		t.Errorf("no such key: %q", got)
	}
	say(t, k.dial(k.at, ""), "GET", "/a", "")
	if got := say(t, k.dial(k.at, ""), "GET", "/a", ""); got != "EBUSY" {
		t.Errorf("a key that another has: %q", got)
	}
	packet := string(toyPacket(0, "one"))
	busy := k.dial(k.at, fmt.Sprintf("POST /a HTTP/1.1\nHost: h\nContent-Length: %d\n\n", len(packet)))
	write(t, busy, []byte(packet[:3]))
	until(t, "the body is not read", func() bool { return k.points["live"].Snapshot().HasSource })
	if got := say(t, k.dial(k.at, ""), "POST", "/a", "x"); got != "EBUSY" {
		t.Errorf("a session that is busy: %q", got)
	}
	write(t, busy, []byte(packet[3:]))
	if got := hear(t, busy); !strings.HasPrefix(got, "conn 2") {
		t.Errorf("the session that was busy: %q", got)
	}
	k.waitSessions(k.runner, 1)
}

// TestKeyEnds: a session with a key ends when nobody joins it, when it says so, by a
// fault, and with its connection in the middle of a request; then its key is free.
func TestKeyEnds(t *testing.T) {
	t.Run("unused", func(t *testing.T) {
		k := newKeeping(t, 50*time.Millisecond, 1)
		say(t, k.dial(k.at, ""), "GET", "/a", "")
		k.waitFree(t)
	})
	t.Run("timer", func(t *testing.T) {
		k := newKeeping(t, time.Minute, 1)
		say(t, k.dial(k.at, ""), "GET", "/a?timer", "")
		k.seen.wait(t, "timer")
		k.waitFree(t)
	})
	t.Run("fault", func(t *testing.T) {
		k := newKeeping(t, time.Minute, 1)
		c := k.dial(k.at, "")
		say(t, c, "GET", "/a", "")
		say(t, c, "POST", "/a", "trap")
		k.waitFree(t)
	})
	t.Run("lost", func(t *testing.T) {
		k := newKeeping(t, time.Minute, 1)
		c := k.dial(k.at, "")
		say(t, c, "GET", "/a", "")
		write(t, c, []byte("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nabc"))
		until(t, "the body is not read", func() bool { return k.points["live"].Snapshot().HasSource })
		c.Close()
		k.waitFree(t)
		until(t, "the source has not left", func() bool { return !k.points["live"].Snapshot().HasSource })
	})
	t.Run("disabled", func(t *testing.T) {
		k := newKeeping(t, time.Minute, 1)
		say(t, k.dial(k.at, ""), "GET", "/a", "")
		k.runner.Disable("test")
		k.waitFree(t)
	})
}

// waitFree waits until no session has a key.
func (k *keeping) waitFree(t *testing.T) {
	t.Helper()
	k.waitSessions(k.runner, 0)
	if s := k.runner.withKey("/a"); s != nil {
		t.Errorf("session %d still has its key", s.id)
	}
}

// TestKeyOutlivesReload: a new generation knows the sessions of the old one by their keys.
func TestKeyOutlivesReload(t *testing.T) {
	k := newKeeping(t, time.Minute, 2)
	c := k.dial(k.at, "")
	say(t, c, "GET", "/a", "")
	if err := k.runner.Enable(newGeneration(t, lockerYAML, locker(k.seen, time.Minute))); err != nil {
		t.Fatal(err)
	}
	if got := say(t, c, "POST", "/a", ""); got != "conn 2, state k" {
		t.Error(got)
	}
}

// TestBadKeys: what may not be bound is refused, and nothing of the batch is done.
func TestBadKeys(t *testing.T) {
	for name, c := range map[string]struct {
		say  func(v *sdk.Verdicts, e *abi.HTTPRequest)
		code abi.Code
	}{
		"empty":    {func(v *sdk.Verdicts, _ *abi.HTTPRequest) { v.BindKey(nil, 1) }, abi.EINVAL},
		"long":     {func(v *sdk.Verdicts, _ *abi.HTTPRequest) { v.BindKey(make([]byte, abi.MaxKey+1), 1) }, abi.EINVAL},
		"no time":  {func(v *sdk.Verdicts, _ *abi.HTTPRequest) { v.BindKey([]byte("a"), 0) }, abi.EINVAL},
		"too long": {func(v *sdk.Verdicts, _ *abi.HTTPRequest) { v.BindKey([]byte("a"), int64(maxKeep)+1) }, abi.EINVAL},
		"too many": {func(v *sdk.Verdicts, _ *abi.HTTPRequest) {
			for i := range abi.MaxKeys + 1 {
				v.BindKey([]byte{byte(i)}, 1)
			}
		}, abi.ELIMIT},
		"beside": {func(v *sdk.Verdicts, _ *abi.HTTPRequest) {
			v.BindKey([]byte("a"), int64(time.Minute))
			v.JoinKey([]byte("a"))
		}, abi.ESTATE},
		"accepted": {func(v *sdk.Verdicts, e *abi.HTTPRequest) {
			v.JoinKey([]byte("a"))
			v.Accept(e.Conn)
		}, abi.ESTATE},
	} {
		t.Run(name, func(t *testing.T) {
			seen := newRecorder()
			r := newRig(t, false, point.Options{Name: "live"})
			runner := r.add(lockerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
				switch e := e.(type) {
				case *abi.HTTPRequest:
					c.say(v, e)
				case *abi.Refused:
					seen.add(e.Code.String())
					v.RespondText(400, abi.ResponseClose, "refused")
				}
				return nil
			})
			if got := say(t, r.dial(r.listen(), ""), "POST", "/live", "x"); got != "refused" {
				t.Error(got)
			}
			seen.wait(t, c.code.String())
			r.waitSessions(runner, 0)
			if runner.mu.Lock(); len(runner.keys) > 0 {
				t.Errorf("%d keys are left", len(runner.keys))
			}
			runner.mu.Unlock()
		})
	}
}

// TestKeyedSourceMoves: a source that is known by a key goes to another process, and is
// known there by the same one.
func TestKeyedSourceMoves(t *testing.T) {
	m := &mover{t: t, home: netio.Home("web", slog.New(slog.DiscardHandler))}
	t.Cleanup(m.home.Close)
	seen := newRecorder()
	for _, r := range []**rig{&m.from, &m.to} {
		*r = newRig(t, false, point.Options{Name: "live", Grace: time.Minute})
		(*r).add(toyYAML, toy)
		(*r).add(lockerYAML, locker(seen, time.Minute))
	}
	c := m.from.dial(m.from.listen(), "")
	say(t, c, "GET", "/a", "")
	wire := append(toyPacket(0, "one"), toyPacket(toyStep, "two")...)
	write(t, c, fmt.Appendf(nil, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(wire), wire[:len(wire)-1]))
	f := m.freeze("live", 1)
	feed, x, file := m.carry(f, "live")
	if err := m.to.room.Import(x, feed, m.home, file); err != nil {
		t.Fatal(err)
	}
	f.Drop()
	if s := m.from.room.Runner("locker").withKey("/a"); s != nil {
		t.Error("the key is still there, where the session was")
	}
	write(t, c, wire[len(wire)-1:])
	if got := hear(t, c); got != "conn 2, state kp!" {
		t.Errorf("the request that moved: %q", got)
	}
	if got := say(t, m.to.dial(m.to.listen(), ""), "POST", "/a", ""); got != "conn 3, state kp!" {
		t.Errorf("the next, over there: %q", got)
	}
	m.packets(m.to, "live", 2)
}
