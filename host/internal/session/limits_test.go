package session

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// pusher publishes a request's body on point live, or only takes it at another address.
func pusher(seen *recorder) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			v.Accept(1)
			*m = append(memo(nil), e.Path...)
			seen.add("accepted " + string(e.Path))
		case *abi.Data:
			if string(*m) == "/live" {
				v.Publish([]byte("live"), "bytes:toy", 0)
				v.FeedThrough(1)
				seen.add("published")
			}
		case *abi.End:
			seen.add(fmt.Sprintf("%s ended by %d", *m, e.Reason))
			v.RespondText(408, abi.ResponseReset, "too late")
		case *abi.Refused:
			v.RespondText(409, abi.ResponseReset, string(e.Text))
		}
		return nil
	}
}

const upload = "POST /%s HTTP/1.1\nHost: x\nContent-Length: 1000\n\n"

// TestSilentEncoderLeaves: an encoder that sends nothing any more is told so, and its
// point is free for another.
func TestSilentEncoderLeaves(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", Grace: time.Minute})
	r.room.limits.mostSilence = 50 * time.Millisecond
	seen := newRecorder()
	r.add(toyYAML, toy)
	r.add(sinnerYAML, pusher(seen))
	at := r.listen()
	for range 2 {
		conn := r.dial(at, fmt.Sprintf(upload, "live"))
		_, _ = conn.Write(toyPacket(0, "payload"))
		if code, text := ask(t, conn); code != 408 {
			t.Fatalf("%d %q; seen %q", code, text, seen.list())
		}
	}
	if want := fmt.Sprintf("/live ended by %d", abi.EndTimeout); seen.wait(t, "/live ended") != want {
		t.Errorf("seen %q, want %q", seen.list(), want)
	}
}

func TestSilenceIsBoundByGrace(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "none"}, point.Options{Name: "half", Grace: 30 * time.Second}, point.Options{Name: "hour", Grace: time.Hour})
	for name, want := range map[string]time.Duration{
		"none": 10 * time.Second, "half": 30 * time.Second, "hour": time.Minute, "unknown": time.Minute,
	} {
		if got := r.room.silence(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestUploadsAreBounded: bodies that nobody publishes have a bound, those that a point
// takes do not count, and one that ends makes room.
func TestUploadsAreBounded(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	r.room.limits.bodies = 2
	seen := newRecorder()
	r.add(toyYAML, toy)
	runner := r.add(sinnerYAML, pusher(seen))
	at := r.listen()
	_, _ = r.dial(at, fmt.Sprintf(upload, "live")).Write(toyPacket(0, "payload"))
	seen.wait(t, "published")
	first := r.dial(at, fmt.Sprintf(upload, "1"))
	seen.wait(t, "accepted /1")
	r.dial(at, fmt.Sprintf(upload, "2"))
	seen.wait(t, "accepted /2")
	wantBusy(t, r.dial(at, fmt.Sprintf(upload, "3")))
	if n := runner.Status().TurnedAway[tooManyBodies]; n != 1 {
		t.Errorf("%d are counted", n)
	}
	first.Close()
	seen.wait(t, "/1 ended")
	runner.one().do(func() {
		if runner.bodies.Load() != 1 {
			t.Errorf("%d bodies are counted", runner.bodies.Load())
		}
	})
	r.dial(at, fmt.Sprintf(upload, "4"))
	seen.wait(t, "accepted /4")
}

// TestSessionsAreBounded: a plugin with all the sessions that it may have gets no more
// before one ends.
func TestSessionsAreBounded(t *testing.T) {
	r := newRig(t, true)
	r.room.limits.sessions = 2
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, _ *sdk.Verdicts) error {
		seen.add(e.Op().String())
		return nil
	})
	at := r.listen()
	r.dial(at, fmt.Sprintf(request, "x"))
	seen.wait(t, "HTTP_REQUEST")
	raw := r.dial(at, "\xAA\xBB\xCC\xDD")
	seen.wait(t, "CONN_OPEN")
	wantBusy(t, r.dial(at, fmt.Sprintf(request, "x")))
	if b, err := io.ReadAll(r.dial(at, "\xAA\xBB\xCC\xDD")); len(b) > 0 {
		t.Errorf("%q %v on a connection too many", b, err)
	}
	if n := runner.Status().TurnedAway[tooManySessions]; n != 2 {
		t.Errorf("%d are counted", n)
	}
	raw.Close()
	seen.wait(t, "END")
	for runner.open.Load() != 1 {
		runner.one().do(func() {})
		if t.Context().Err() != nil {
			t.Fatal("the session did not end")
		}
	}
	r.dial(at, "\xAA\xBB\xCC\xDD")
	for n := 0; n < 2; {
		n = strings.Count(strings.Join(seen.list(), " "), "CONN_OPEN")
		runner.one().do(func() {})
		if t.Context().Err() != nil {
			t.Fatal("no room after a session's end")
		}
	}
}

// TestSilentGreetingEnds: a raw connection of which its plugin makes nothing does not hold a session; what was taken or answered does.
func TestSilentGreetingEnds(t *testing.T) {
	r := newRig(t, true)
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		d, ok := e.(*abi.Data)
		switch {
		case !ok:
			seen.add(e.Op().String())
		case len(d.Bytes) > 4 && d.Bytes[4] == 'c':
			v.Consume(1, d.Offset+uint64(len(d.Bytes)))
			seen.add("consumed")
		case len(d.Bytes) > 4 && d.Bytes[4] == 'w':
			p := v.Pieces()
			p.Literal([]byte("hello"))
			v.Write(1, p)
			seen.add("written")
		default:
			v.Consume(1, 0) // nothing
		}
		return nil
	})
	at := r.listen()
	r.dial(at, "\xAA\xBB\xCC\xDDc")
	r.dial(at, "\xAA\xBB\xCC\xDDw")
	seen.wait(t, "consumed")
	seen.wait(t, "written")
	runner.one().do(func() {
		if n := len(runner.one().timers.live); n > 0 {
			t.Errorf("%d timers are left", n)
		}
		r.room.limits.greeting = 50 * time.Millisecond
	})
	if b, err := io.ReadAll(r.dial(at, "\xAA\xBB\xCC\xDD")); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", b, err)
	}
	r.waitSessions(runner, 2)
}

func wantBusy(t *testing.T, conn net.Conn) {
	t.Helper()
	b, _ := io.ReadAll(conn)
	if s := string(b); !strings.HasPrefix(s, "HTTP/1.1 503 ") || strings.Contains(s, "Retry-After") {
		t.Errorf("%q, want 503, and no time that nobody knows", s)
	}
}
