package session

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

func ask(t *testing.T, conn io.Reader) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

const request = "GET /%s HTTP/1.1\nHost: x\nConnection: close\n\n"

// TestGuiltyAlone: of the sessions of one frame only the one whose event brings the
// fault ends, and each event is answered once.
func TestGuiltyAlone(t *testing.T) {
	for _, kind := range []string{"trap", "foreign_session", "bad_batch", "bad_span", "protocol"} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t, true)
			entered, gate := make(chan bool), make(chan bool)
			runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
				q, ok := e.(*abi.HTTPRequest)
				if !ok {
					return nil
				}
				switch string(q.Path) {
				case "/gate":
					entered <- true
					<-gate
				case "/guilty":
					return sinNamed(kind, v)
				}
				v.RespondText(200, 0, string(q.Path))
				return nil
			})
			runner.Generation().(*generation).twist = twist
			at := r.listen()
			first := r.dial(at, fmt.Sprintf(request, "gate"))
			<-entered
			under := r.room.nextID.Load()
			const innocent = 20
			var conns []io.Reader
			for i := range innocent {
				conns = append(conns, r.dial(at, fmt.Sprintf(request, fmt.Sprint("p", i))))
				if i == innocent/2 {
					conns = append(conns, r.dial(at, fmt.Sprintf(request, "guilty")))
				}
			}
			r.waitReady(runner, under, innocent+1)
			close(gate)
			ask(t, first)
			for i, c := range conns {
				code, text := ask(t, c)
				if want := map[bool]int{true: 503, false: 200}[i == innocent/2+1]; code != want {
					t.Errorf("request %d: %d %q, want %d", i, code, text, want)
				}
			}
			st := runner.Status()
			if st.Faults != 1 || st.LastFault == nil || st.LastFault.Fault.Kind.String() != kind || st.LastFault.Fault.During != "HTTP_REQUEST" {
				t.Errorf("faults %d, last %+v; want one of kind %s", st.Faults, st.LastFault, kind)
			}
			if st.Sessions != 0 || st.State.Phase != Running {
				t.Errorf("%d sessions are left, phase %s", st.Sessions, st.State.Phase)
			}
		})
	}
}

// sinNamed commits a sin.
func sinNamed(kind string, v *sdk.Verdicts) error {
	switch kind {
	case "trap":
		panic("a trap")
	case "foreign_session", "bad_batch":
		v.Metric(kind, 1) // twist makes a sin of it
	case "bad_span":
		p := v.Pieces()
		p.Input(1<<40, 10)
		v.Respond(200, 0, nil, p)
	case "protocol":
		return abi.EINTERNAL
	}
	return nil
}

// twist makes sins that the SDK does not let happen.
func twist(raw abi.Raw) abi.Raw {
	switch {
	case raw.Op != abi.OpMetric:
	case strings.Contains(string(raw.Body), "foreign_session"):
		raw.Session = 1 << 40
	case strings.Contains(string(raw.Body), "bad_batch"):
		raw.Op, raw.Flags = 247, abi.Critical
	}
	return raw
}

// TestThreeRefusalsEnd: a session whose apologies are refused too is ended.
func TestThreeRefusalsEnd(t *testing.T) {
	r := newRig(t, true)
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		seen.add(e.Op().String())
		unknownPoint(v)
		return nil
	})
	if code, text := ask(t, r.dial(r.listen(), fmt.Sprintf(request, "x"))); code != 503 {
		t.Errorf("%d %q", code, text)
	}
	if got := seen.list(); !slices.Equal(got, []string{"HTTP_REQUEST", "REFUSED", "REFUSED"}) {
		t.Errorf("events %q", got)
	}
	if st := runner.Status(); st.Refused != maxRefused || st.Faults != 0 || st.Sessions != 0 {
		t.Errorf("%+v", st)
	}
}

// TestRefusedThenGood: an accepted batch in between makes the count begin anew.
func TestRefusedThenGood(t *testing.T) {
	r := newRig(t, true)
	n := 0
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if n++; n == 12 {
			v.RespondText(200, 0, "enough")
			return nil
		}
		if n%3 == 0 {
			v.SetTimer(1, 1)
			return nil
		}
		unknownPoint(v)
		return nil
	})
	if code, _ := ask(t, r.dial(r.listen(), fmt.Sprintf(request, "x"))); code != 200 {
		t.Errorf("%d after %d events", code, n)
	}
	if st := runner.Status(); st.Refused != 8 {
		t.Errorf("%d refusals", st.Refused)
	}
}

// TestEventOverflow: a session that leaves its events unanswered is ended, and its
// memory does not grow.
func TestEventOverflow(t *testing.T) {
	r := newRig(t, true)
	entered, gate := make(chan bool), make(chan bool)
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, _ *sdk.Verdicts) error {
		if e.Op() == abi.OpHTTPRequest {
			entered <- true
			<-gate
		}
		return nil
	})
	conn := r.dial(r.listen(), fmt.Sprintf(request, "x"))
	<-entered
	var s *Session
	for _, x := range runner.one().sessions { // its goroutine waits at the gate
		s = x
	}
	for range 10 * maxQueued {
		s.enqueue(&abi.Timer{})
	}
	if n := s.inbox.queued(); n > maxQueued {
		t.Errorf("%d events wait", n)
	}
	close(gate)
	if code, text := ask(t, conn); code != 503 || !strings.Contains(text, "event_overflow") {
		t.Errorf("%d %q", code, text)
	}
	if n := runner.Status().Sessions; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// TestFailCodes: whom FAIL blames, and what a client is told (spec.md 7.2).
func TestFailCodes(t *testing.T) {
	for _, c := range []struct {
		code   abi.Code
		status int
		faults uint64
	}{{abi.EPROTO, 400, 0}, {abi.ENOENT, 503, 0}, {abi.EINTERNAL, 503, 1}, {abi.ESTATE, 503, 1}} {
		r := newRig(t, true)
		runner := r.add(sinnerYAML, func(_ *memo, _ abi.Record, v *sdk.Verdicts) error { return sdk.Fail(c.code, "the reason") })
		status, text := ask(t, r.dial(r.listen(), fmt.Sprintf(request, "x")))
		if status != c.status || c.faults == 0 && !strings.Contains(text, "the reason") {
			t.Errorf("%v: %d %q", c.code, status, text)
		}
		if st := runner.Status(); st.Faults != c.faults || st.Sessions != 0 {
			t.Errorf("%v: %d faults, %d sessions", c.code, st.Faults, st.Sessions)
		}
	}
}

// TestRefusedValues: verdicts whose values make no sense, each with its code.
func TestRefusedValues(t *testing.T) {
	for name, c := range map[string]struct {
		code abi.Code
		do   func(v *sdk.Verdicts)
	}{
		"negative timer":    {abi.EINVAL, func(v *sdk.Verdicts) { v.SetTimer(1, -1) }},
		"many timers":       {abi.ELIMIT, func(v *sdk.Verdicts) { repeat(abi.MaxTimers+1, func(i int) { v.SetTimer(uint32(i), 1e12) }) }},
		"many watches":      {abi.ELIMIT, func(v *sdk.Verdicts) { repeat(maxWatched+1, func(int) { v.Watch([]byte("full")) }) }},
		"many metrics":      {abi.ELIMIT, func(v *sdk.Verdicts) { repeat(maxMetrics+1, func(i int) { v.Metric(fmt.Sprint("m", i), 1) }) }},
		"metric's name":     {abi.EINVAL, func(v *sdk.Verdicts) { v.Metric("\xff", 1) }},
		"no connection":     {abi.ENOENT, func(v *sdk.Verdicts) { v.Close(9, 0, "") }},
		"close mode":        {abi.EINVAL, func(v *sdk.Verdicts) { v.Close(0, 7, "") }},
		"write on exchange": {abi.ECLOSED, func(v *sdk.Verdicts) { p := v.Pieces(); p.Text("x"); v.Write(1, p) }},
		"accept nothing":    {abi.ESTATE, func(v *sdk.Verdicts) { v.Accept(1) }},
		"status":            {abi.EINVAL, func(v *sdk.Verdicts) { v.Respond(99, 0, nil, nil) }},
		"field name":        {abi.EINVAL, func(v *sdk.Verdicts) { f := v.Fields(); f.Add("a(b)", "x"); v.Respond(200, 0, f, nil) }},
		"field value":       {abi.EINVAL, func(v *sdk.Verdicts) { f := v.Fields(); f.Add("a", "x\r\ny: z"); v.Respond(200, 0, f, nil) }},
		"answered twice":    {abi.ESTATE, func(v *sdk.Verdicts) { v.Respond(200, 0, nil, nil); v.Respond(200, 0, nil, nil) }},
		"attach mode": {abi.EINVAL, func(v *sdk.Verdicts) {
			v.Respond(200, 0, nil, nil)
			v.Attach(abi.Attach{Conn: 1, Point: []byte("full"), Rendition: []byte("toy"), Mode: 99}, nil)
		}},
		"no rendition": {abi.ENOENT, func(v *sdk.Verdicts) {
			v.Respond(200, 0, nil, nil)
			v.Attach(abi.Attach{Conn: 1, Point: []byte("full"), Rendition: []byte("mp3")}, nil)
		}},
		"attach without response": {abi.ESTATE, func(v *sdk.Verdicts) {
			v.Attach(abi.Attach{Conn: 1, Point: []byte("full"), Rendition: []byte("toy")}, nil)
		}},
		"dial twice":            {abi.EINVAL, func(v *sdk.Verdicts) { repeat(2, func(int) { v.Dial(2, []byte("file:x"), 0) }) }},
		"dial outside":          {abi.EPERM, func(v *sdk.Verdicts) { v.Dial(2, []byte("file:a/../../x"), 0) }},
		"dial the net":          {abi.ENOSYS, func(v *sdk.Verdicts) { v.Dial(2, []byte("sctp:127.0.0.1:1"), 0) }},
		"publish nothing known": {abi.ENOSYS, func(v *sdk.Verdicts) { v.Publish([]byte("full"), "bytes:mp3", 0) }},
		"document unasked":      {abi.ESTATE, func(v *sdk.Verdicts) { v.Document("a/b", 0, v.Pieces()) }},
		"feed without child":    {abi.ESTATE, func(v *sdk.Verdicts) { v.FeedThrough(1) }},
		"packet without point":  {abi.ESTATE, func(v *sdk.Verdicts) { v.Packet(abi.Packet{}, v.Pieces()) }},
		"resume without viewer": {abi.ESTATE, func(v *sdk.Verdicts) { v.Resume(1) }},
		"a great body": {abi.ETOOBIG, func(v *sdk.Verdicts) {
			p := v.Pieces()
			repeat(4000, func(int) { p.RenditionHeader([]byte("full"), "toy") })
			v.Respond(200, 0, nil, p)
		}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) { refuses(t, c.code, c.do) })
	}
}

func repeat(n int, f func(int)) {
	for i := range n {
		f(i)
	}
}

// refuses wants a batch that answers a GET to be refused with code.
func refuses(t *testing.T, code abi.Code, do func(v *sdk.Verdicts)) {
	t.Helper()
	fresh := newRig(t, true, point.Options{Name: "full"})
	got := make(chan string, 1)
	fresh.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if x, ok := e.(*abi.Refused); ok {
			got <- x.Code.String() + ": " + string(x.Text)
			v.RespondText(200, 0, "refused")
			return nil
		}
		do(v)
		return nil
	})
	fresh.fill("full").SetHeader(make([]byte, 64<<10))
	status, text := ask(t, fresh.dial(fresh.listen(), fmt.Sprintf(request, "full")))
	select {
	case x := <-got:
		if !strings.HasPrefix(x, code.String()+":") {
			t.Errorf("refused with %s, want %v", x, code)
		}
	default:
		t.Errorf("not refused: %d %.100q", status, text)
	}
}

// TestFormatFault: the fault of a format's plugin ends the source, not its viewers; the
// plugin that spoke with the encoder is told, and tells the encoder.
func TestFormatFault(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", Grace: time.Hour})
	seen := newRecorder()
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			v.Accept(1)
		case *abi.Data:
			v.Publish([]byte("live"), "bytes:toy", 0)
			v.FeedThrough(1)
		case *abi.Stop:
			seen.add(fmt.Sprintf("stop %d", e.Reason))
			v.RespondText(422, abi.ResponseReset, string(e.Text))
		}
		return nil
	})
	runner := r.add(toyYAML, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		if d, ok := e.(*abi.Data); ok && strings.Contains(string(d.Bytes), "ruin") {
			panic("a bad byte")
		}
		return toy(m, e, v)
	})
	conn := r.dial(r.listen(), "POST /live HTTP/1.1\nHost: x\nContent-Length: 100000\n\n")
	_, _ = conn.Write(toyFile(3))
	until(t, "not live", func() bool { return r.points["live"].Snapshot().State == point.Live })
	_, _ = conn.Write([]byte("ruin"))
	if got := seen.wait(t, "stop"); got != fmt.Sprintf("stop %d", abi.StopChild) {
		t.Error(got)
	}
	if status, text := ask(t, conn); status != 422 || !strings.Contains(text, "fault_trap") {
		t.Errorf("the encoder was told %d %q", status, text)
	}
	snap := r.points["live"].Snapshot()
	if snap.State != point.Waiting || snap.HasSource || len(snap.Renditions) != 1 || snap.Renditions[0].Log.Ended() {
		t.Errorf("%+v", snap)
	}
	if st := runner.Status(); st.Faults != 1 || st.Sessions != 0 || st.LastFault.Fault.Kind.String() != "trap" {
		t.Errorf("%+v", st)
	}
	conn = r.dialFrom("127.0.9.1", r.listen(), "POST /live HTTP/1.1\nHost: x\nContent-Length: 100000\n\n")
	_, _ = conn.Write(toyFile(3))
	until(t, "nobody may push any more", func() bool { return r.points["live"].Snapshot().HasSource })
}

// TestPushEndsInOrder: END comes to the one that speaks with the encoder when all of the
// body was parsed, not before.
func TestPushEndsInOrder(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", Grace: time.Hour})
	const packets = 2000
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e.(type) {
		case *abi.HTTPRequest:
			v.Accept(1)
		case *abi.Data:
			v.Publish([]byte("live"), "bytes:toy", 0)
			v.FeedThrough(1)
		case *abi.End:
			to, _ := r.points["live"].Rendition("toy")
			_, n := to.Log.Bounds()
			v.RespondText(200, abi.ResponseClose, fmt.Sprint(n))
		case *abi.Stop:
			v.RespondText(500, abi.ResponseClose, "stopped")
		}
		return nil
	})
	r.add(toyYAML, toy)
	body := toyFile(packets)
	conn := r.dial(r.listen(), fmt.Sprintf("POST /live HTTP/1.1\nHost: x\nContent-Length: %d\n\n", len(body)))
	_, _ = conn.Write(body)
	if status, text := ask(t, conn); status != 200 || text != fmt.Sprintln(packets) {
		t.Errorf("%d %q, want %d packets", status, text, packets)
	}
}

// TestSessionIsKnownFirst: a session is among its plugin's before its first event is
// answered, so that whatever ends them all ends it too.
func TestSessionIsKnownFirst(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live"})
	unknown := 0
	var runner *Runner
	runner = r.add("name: writer\nroles: [announce]\ncapabilities: [documents]\ndocuments: [{format: txt, type: text/plain}]\n",
		func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
			if len(runner.one().sessions) == 0 {
				unknown++
			}
			v.Document("text/plain", 0, v.Pieces())
			return nil
		})
	for range 5000 {
		if _, _, err := r.room.Announcement("txt", "live", "", ""); err != nil {
			t.Fatal(err)
		}
	}
	r.room.Close()
	if unknown > 0 {
		t.Errorf("%d sessions were not known", unknown)
	}
}
