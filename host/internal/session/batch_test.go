package session

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// The sinner answers its first event of the kind at hand with a good batch that ends
// in a verdict that must be refused, and everything else with what it is asked to.
const sinnerYAML = `
name: sinner
roles: [control, source, announce]
listens:
  http: [{name: any, methods: [GET, POST], path: "/{point}"}]
  raw: [{name: sin, offset: 0, hex: "AABBCCDD"}]
capabilities: [attach, publish, read, documents]
documents: [{format: sin, type: text/plain}]
state: {schema: sin/1}
`

const toyYAML = `
name: toy
roles: [format]
consumes: ["bytes:toy"]
produces: [toy]
state: {schema: toy/1}
`

// unknownPoint is a verdict that any session but a format's is refused with ENOENT.
func unknownPoint(v *sdk.Verdicts) { v.Watch([]byte("nowhere")) }

// held is what a batch might leave behind.
type held struct {
	Blob, Watched, Timers, Conns     int
	Child, View, Feed, Over, Retains bool
	Consumed                         uint64
	Viewers, Metrics                 int
	Sources                          uint64
	Source                           bool
	State                            string
	Open                             int32
}

// held looks at a session, on its runner's goroutine.
func (r *rig) held(s *Session, on *point.Point) held {
	h := held{Blob: len(s.blob), Watched: len(s.links.watched), Timers: len(s.links.timers), Conns: len(s.conns),
		Child: s.links.child != nil, View: s.view != nil, Feed: s.links.feed != nil, Metrics: len(s.r.metrics)}
	if x := s.links.x; x != nil {
		h.Over = x.over || x.conn != nil
	}
	for _, c := range s.conns {
		h.Retains = h.Retains || c.keeps
		if c.in != nil {
			h.Consumed += c.in.consumed
		}
	}
	snap := on.Snapshot()
	h.Viewers, h.Sources, h.Source, h.State = snap.Viewers, snap.Sources, snap.HasSource, snap.State.String()
	h.Open = r.open.Load()
	return h
}

// goodVerdict is a verdict that could be applied, were it not for the one behind it.
type goodVerdict struct {
	name string
	on   string // event that is answered
	good func(v *sdk.Verdicts)
}

func goodVerdicts() []goodVerdict {
	pieces := func(v *sdk.Verdicts, text string) *sdk.Pieces { p := v.Pieces(); p.Text(text); return p }
	attach := func(v *sdk.Verdicts) {
		v.Respond(200, 0, nil, nil)
		v.Attach(abi.Attach{Conn: 1, Point: []byte("full"), Rendition: []byte("toy")}, nil)
	}
	return []goodVerdict{
		{"set_state", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Metric("state", 1) }}, // with the state that each handler sets
		{"accept", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Accept(1) }},
		{"response", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.RespondText(200, 0, "must not be seen") }},
		{"attach", "HTTP_REQUEST", attach},
		{"publish", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Publish([]byte("live"), "bytes:toy", 0) }},
		{"feed", "HTTP_REQUEST", func(v *sdk.Verdicts) {
			v.Publish([]byte("live"), "bytes:toy", 0)
			v.Feed(1, pieces(v, "bytes"))
		}},
		{"dial", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Dial(2, []byte("file:film"), 0) }},
		{"two dials", "HTTP_REQUEST", func(v *sdk.Verdicts) {
			v.Dial(2, []byte("file:film"), 0)
			v.Dial(3, []byte("file:film"), abi.DialLoop)
		}},
		{"timer", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.SetTimer(1, 1) }},
		{"watch", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Watch([]byte("live")) }},
		{"metric", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Metric("sins", 7) }},
		{"close", "HTTP_REQUEST", func(v *sdk.Verdicts) { v.Close(0, abi.CloseNow, "must not happen") }},
		{"all", "HTTP_REQUEST", func(v *sdk.Verdicts) {
			v.Publish([]byte("live"), "bytes:toy", 0)
			v.Dial(2, []byte("file:film"), 0)
			attach(v)
			v.Metric("sins", 7)
			v.SetTimer(1, 1)
		}},
		{"write", "CONN_OPEN", func(v *sdk.Verdicts) { v.Write(1, pieces(v, "must not be sent")) }},
		{"consume", "DATA", func(v *sdk.Verdicts) { v.Consume(1, 4) }},
		{"retain", "DATA", func(v *sdk.Verdicts) { v.Retain(1, 0); v.Consume(1, 4) }},
		{"need", "DATA", func(v *sdk.Verdicts) { v.Need(1, 5) }},
	}
}

// TestRefusedBatchLeavesNothing: for each verdict, a batch [that verdict, a bad one].
func TestRefusedBatchLeavesNothing(t *testing.T) {
	for _, c := range goodVerdicts() {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			r := newRig(t, true, point.Options{Name: "live"}, point.Options{Name: "full", MaxViewers: 1})
			r.files["film"] = []byte("a film")
			seen := newRecorder()
			refused := make(chan held, 1)
			viewers := 0
			var runner *Runner
			runner = r.add(sinnerYAML, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
				seen.add(e.Op().String())
				if x, ok := e.(*abi.Refused); ok {
					seen.add(fmt.Sprintf("refused %v %v %d", x.Code, x.During, x.Verdict))
					viewers = r.points["full"].Snapshot().Viewers
					for _, s := range runner.one().sessions {
						refused <- r.held(s, r.points["live"])
					}
					v.Close(0, abi.CloseNow, "done")
				} else if e.Op().String() == c.on {
					*m = memo("a state that must not stay")
					c.good(v)
					unknownPoint(v)
				}
				return nil
			})
			r.add(toyYAML, func(*memo, abi.Record, *sdk.Verdicts) error { seen.add("child"); return nil })
			r.fill("full")
			before := held{Conns: 1, State: "idle"}
			text := "POST /full HTTP/1.1\nHost: x\nContent-Length: 10\n\n0123456789"
			if c.on != "HTTP_REQUEST" {
				text = "\xAA\xBB\xCC\xDD"
			}
			conn := r.dial(r.listen(), text)
			after := <-refused
			if after != before || viewers != 0 {
				t.Errorf("left behind: %+v, viewers %d", after, viewers)
			}
			got := seen.wait(t, "refused ")
			if !strings.HasPrefix(got, "refused "+abi.ENOENT.String()+" "+c.on) {
				t.Errorf("%s", got)
			}
			if b, _ := io.ReadAll(conn); strings.Contains(string(b), "must not") {
				t.Errorf("the client read %q", b)
			}
			for _, what := range seen.list() {
				if what == "child" || what == "TIMER" || what == "POINT" || what == "DIALED" {
					t.Errorf("%s came", what)
				}
			}
		})
	}
}

// fill gives a point a rendition "toy" with a header and a packet.
func (r *rig) fill(name string) *point.Feed {
	r.t.Helper()
	f, err := r.points[name].Publish("test", true, r.room.now())
	if err == nil {
		_, err = f.Open("toy")
	}
	if err != nil {
		r.t.Fatal(err)
	}
	f.SetHeader([]byte("header "))
	f.Append(media.Packet{Flags: media.Key}, []byte("packet "))
	return f
}

// TestRefusedMedia: a format's batch that ends badly appends nothing.
func TestRefusedMedia(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			v.Accept(1)
		case *abi.Data:
			v.Publish([]byte("live"), "bytes:toy", 0)
			v.FeedThrough(1)
		case *abi.Stop:
			seen.add("stop " + string(e.Text))
			v.RespondText(400, 0, "stopped")
		}
		return nil
	})
	r.add(toyYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Data:
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			p := v.Pieces()
			p.Input(e.Offset, len(e.Bytes))
			v.Header(p)
			v.Packet(abi.Packet{}, p)
			v.Watch([]byte("live"))
		case *abi.Refused:
			seen.add("refused " + e.Code.String() + " " + e.During.String())
			v.Close(0, abi.CloseNow, "that is all")
		}
		return nil
	})
	conn := r.dial(r.listen(), "POST /live HTTP/1.1\nHost: x\nContent-Length: 100\n\nsome bytes")
	if got := seen.wait(t, "refused"); got != "refused "+abi.ESTATE.String()+" DATA" {
		t.Error(got)
	}
	if got := seen.wait(t, "stop"); got != "stop that is all" {
		t.Error(got)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("%v %v: the answer to a body that was accepted did not arrive whole", resp, err)
	}
	if snap := r.points["live"].Snapshot(); len(snap.Renditions) != 0 || snap.HasSource || snap.State != point.Idle {
		t.Errorf("%+v", snap)
	}
}

// TestEarlyEndReleases: a session that ends in the middle of its batch leaves nothing
// that the rest of the batch had reserved.
func TestEarlyEndReleases(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"}, point.Options{Name: "full"})
	r.files["film"] = []byte("a film")
	sinner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if e.Op() == abi.OpHTTPRequest {
			v.Respond(200, 0, nil, nil)
			v.Close(0, abi.CloseNow, "in the middle")
			v.Attach(abi.Attach{Conn: 1, Point: []byte("full"), Rendition: []byte("toy")}, nil)
			v.Publish([]byte("live"), "bytes:toy", 0)
			v.Dial(2, []byte("file:film"), 0)
		}
		return nil
	})
	r.add(toyYAML, func(*memo, abi.Record, *sdk.Verdicts) error { return nil })
	r.fill("full")
	conn := r.dial(r.listen(), "GET /full HTTP/1.1\nHost: x\nConnection: close\n\n")
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	sinner.one().do(func() {}) // the answer may be read before the batch is at its end
	if n := r.points["full"].Snapshot().Viewers; n != 0 || r.points["live"].Snapshot().HasSource || r.open.Load() != 0 {
		t.Errorf("viewers %d, source %v, files %d", n, r.points["live"].Snapshot().HasSource, r.open.Load())
	}
}
