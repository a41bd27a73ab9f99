package session

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestRawViewer: a raw connection that is attached still takes WRITE between packets
// and gives its input; when its peer leaves, DETACHED comes and its place is free.
func TestRawViewer(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", MaxViewers: 1})
	seen := newRecorder()
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		seen.add(e.Op().String())
		switch e := e.(type) {
		case *abi.Data:
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			p := v.Pieces()
			if e.Offset > 0 {
				seen.add("input " + string(e.Bytes))
				p.Text("answer ")
				v.Write(1, p)
				return nil
			}
			p.Text("before ")
			v.Write(1, p)
			v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey, WithHeader: 1}, nil)
		case *abi.Refused:
			seen.add("refused " + e.Code.String() + ": " + string(e.Text))
			v.Close(1, abi.CloseNow, "refused")
		}
		return nil
	})
	f := r.fill("live")
	at := r.listen()
	conn := r.dial(at, "\xAA\xBB\xCC\xDD")
	read := func(want string) {
		t.Helper()
		b := make([]byte, len(want))
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != want {
			t.Fatalf("%q %v, want %q; seen %q", b, err, want, seen.list())
		}
	}
	read("before header packet ")
	_, _ = conn.Write([]byte("a question"))
	read("answer ")
	f.Append(media.Packet{}, []byte("more "))
	read("more ")
	seen.wait(t, "input a question")
	second := r.dial(at, "\xAA\xBB\xCC\xDD")
	if got := seen.wait(t, "refused"); !strings.HasPrefix(got, "refused "+abi.ELIMIT.String()) {
		t.Error(got)
	}
	_, _ = io.ReadAll(second)
	conn.Close()
	seen.wait(t, "DETACHED")
	for _, what := range seen.list() {
		if what == "END" {
			t.Error("END came to a viewer")
		}
	}
	if n := r.points["live"].Snapshot().Viewers; n != 0 {
		t.Errorf("%d viewers", n)
	}
}

// TestViewersEndWithTheirPlugin: disabling a plugin gives its viewers their places back.
func TestViewersEndWithTheirPlugin(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		seen.add(e.Op().String())
		switch e.(type) {
		case *abi.HTTPRequest:
			v.Respond(200, 0, nil, nil)
			v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey}, nil)
		case *abi.Stop:
			p := v.Pieces()
			p.Text("bye")
			v.Write(1, p)
			v.Close(0, abi.CloseFlush, "stopped")
		}
		return nil
	})
	r.fill("live")
	at := r.listen()
	const viewers = 10
	var conns []*bufio.Reader
	for range viewers {
		conns = append(conns, bufio.NewReader(r.dial(at, fmt.Sprintf(request, "live"))))
	}
	for _, c := range conns {
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = c.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Discard(len("packet ")); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.points["live"].Snapshot().Viewers; n != viewers {
		t.Errorf("%d viewers", n)
	}
	runner.Disable("a test")
	for _, c := range conns {
		if b, err := io.ReadAll(c); err != nil || string(b) != "bye" {
			t.Errorf("%q %v at the end", b, err)
		}
	}
	r.room.Close()
	r.room.options.Pool.Close()
	if n := r.points["live"].Snapshot().Viewers; n != 0 {
		t.Errorf("%d viewers after the end", n)
	}
	if st := runner.State(); st.Phase != Disabled || st.Reason != "a test" {
		t.Errorf("%+v", st)
	}
}

// TestSchemas: a session's state keeps the name of the schema that wrote it, over any
// number of generations, and stays with the last that can read it.
func TestSchemas(t *testing.T) {
	r := newRig(t, true)
	yaml := strings.Replace(sinnerYAML, "{schema: sin/1}", "{schema: %q, accepts: [%s]}", 1)
	seen := newRecorder()
	answer := func(n int) handler {
		return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
			switch e := e.(type) {
			case *abi.HTTPRequest:
				*m = memo("kept")
				seen.add("kept")
				v.SetTimer(1, 1e6)
			case *abi.Timer:
				seen.add(fmt.Sprintf("%d:%d:%s", n, e.ID, *m))
				v.SetTimer(1, 1e6)
			}
			return nil
		}
	}
	enable := func(runner *Runner, n int, schema, accepts string) error {
		g := newGeneration(t, fmt.Sprintf(yaml, schema, accepts), answer(n))
		return runner.Enable(g)
	}
	runner := r.add(fmt.Sprintf(yaml, "sin/1", ""), answer(1))
	r.dial(r.listen(), fmt.Sprintf(request, "x"))
	seen.wait(t, "1:1:kept")
	if err := enable(runner, 2, "sin/2", "sin/1"); err != nil {
		t.Fatal(err)
	}
	seen.wait(t, "2:1:kept")
	var schema string
	runner.one().do(func() {
		for _, s := range runner.one().sessions {
			schema = s.schema
		}
	})
	if schema != "sin/1" {
		t.Errorf("the state of generation 1 is called %q", schema)
	}
	second := runner.Generation().(*generation)
	if err := enable(runner, 3, "sin/3", "sin/2"); err != nil {
		t.Error(err)
	}
	if st := runner.Status(); len(st.Staying) != 1 || st.Staying[0].Sessions != 1 || st.Staying[0].Generation != second.number || second.closed.Load() {
		t.Errorf("what cannot read sin/1 is in force: %+v", st.Staying)
	}
	if err := enable(runner, 4, "sin/4", "sin/1, sin/2"); err != nil {
		t.Error(err)
	}
	seen.wait(t, "4:1:kept")
	if st := runner.Status(); len(st.Staying) != 0 || !second.closed.Load() {
		t.Errorf("the session went over, and %+v stays", st.Staying)
	}
}
