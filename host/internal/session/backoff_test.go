package session

import (
	"bufio"
	"fmt"
	"io"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestViewersOutliveBackoff: while a plugin does not start, its viewers play on and its
// connections keep their events; requests are turned away.
func TestViewersOutliveBackoff(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	var g *generation
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			if string(e.Path) == "/guilty" {
				g.barren.Store(true)
				panic("a trap")
			}
			if string(e.Path) != "/live" {
				return nil // left unanswered
			}
			v.Respond(200, 0, nil, nil)
			v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey}, nil)
		case *abi.Data:
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			seen.add("data " + string(e.Bytes))
		}
		return nil
	})
	g = runner.Generation().(*generation)
	f := r.fill("live")
	at := r.listen()
	raw := r.dial(at, "\xAA\xBB\xCC\xDD")
	seen.wait(t, "data \xAA")
	viewer := bufio.NewReader(r.dial(at, fmt.Sprintf(request, "live")))
	read := func(want string) {
		t.Helper()
		b := make([]byte, len(want))
		if _, err := io.ReadFull(viewer, b); err != nil || string(b) != want {
			t.Fatalf("%q %v, want %q", b, err, want)
		}
	}
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = viewer.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	read("packet ")
	unanswered := r.dial(at, fmt.Sprintf(request, "unanswered"))
	r.waitSessions(runner, 3)
	if code, _ := ask(t, r.dial(at, fmt.Sprintf(request, "guilty"))); code != 503 {
		t.Errorf("the guilty got %d", code)
	}
	runner.do(func() { runner.ensureInstance() })
	if st := runner.State(); st.Phase != Quarantined || st.Until.IsZero() {
		t.Fatalf("%+v", st)
	}
	if code, _ := ask(t, unanswered); code != 503 {
		t.Errorf("the unanswered got %d", code)
	}
	if code, _ := ask(t, r.dial(at, fmt.Sprintf(request, "live"))); code != 503 {
		t.Errorf("a new request got %d", code)
	}
	_, _ = raw.Write([]byte("kept"))
	f.Append(media.Packet{Flags: media.Key}, []byte("second"))
	read("second")
	g.barren.Store(false)
	seen.wait(t, "data kept")
	f.Append(media.Packet{Flags: media.Key}, []byte("third"))
	read("third")
	if st := runner.Status(); st.Sessions != 2 || st.State.Phase != Running {
		t.Errorf("%d sessions, %+v", st.Sessions, st.State)
	}
}
