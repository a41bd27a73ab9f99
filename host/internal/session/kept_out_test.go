package session

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// quarantine keeps newcomers from a plugin, as its faults would.
func (r *Runner) quarantine() {
	r.state.Store(&State{Phase: Quarantined, Until: r.room.now().Add(time.Hour), faulty: true})
}

// TestQuarantineSparesMedia: a plugin in quarantine packages on, and begins to package
// what a new source brings.
func TestQuarantineSparesMedia(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "before"}, point.Options{Name: "later"})
	runner := r.add(packYAML, packer)
	f := r.fill("before")
	packed := func(on, want string) {
		t.Helper()
		until(t, on+" is not packaged", func() bool {
			to, err := r.points[on].Rendition("packed")
			return err == nil && to.Log.Header() != nil && readAll(to.Log) == want
		})
	}
	packed("before", "[packed header ]<packet >")
	runner.quarantine()
	f.Append(media.Packet{Flags: media.Key}, []byte("second"))
	packed("before", "[packed header ]<packet ><second>")
	r.fill("later")
	packed("later", "[packed header ]<packet >")
}

// TestChildOfThrottled: a network that has made a format's plugin fault feeds it nothing
// for a while, through whatever plugin it pushes; and nobody does while that plugin is in
// quarantine.
func TestChildOfThrottled(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", Grace: time.Hour}, point.Options{Name: "other", Grace: time.Hour})
	parent := r.add(sinnerYAML, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			*m = append((*m)[:0], e.Point.Name...)
			v.Accept(1)
		case *abi.Data:
			v.Publish(*m, "bytes:toy", 0)
			v.FeedThrough(1)
		case *abi.Stop:
			v.RespondText(422, abi.ResponseReset, string(e.Text))
		case *abi.Refused:
			v.RespondText(503, abi.ResponseReset, e.Code.String())
		}
		return nil
	})
	format := r.add(toyYAML, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		if d, ok := e.(*abi.Data); ok && strings.Contains(string(d.Bytes), "ruin") {
			panic("a bad byte")
		}
		return toy(m, e, v)
	})
	at := r.listen()
	push := func(from, on, text string) io.Reader {
		c := r.dialFrom(from, at, fmt.Sprintf("POST /%s HTTP/1.1\nHost: x\nContent-Length: 100000\n\n", on))
		_, _ = io.WriteString(c, text)
		return c
	}
	if code, text := ask(t, push("127.66.0.1", "live", "ruin")); code != 422 {
		t.Errorf("the guilty: %d %q", code, text)
	}
	if code, text := ask(t, push("127.66.0.2", "live", string(toyFile(3)))); code != 503 || !strings.Contains(text, "EAGAIN") {
		t.Errorf("its neighbour: %d %q", code, text)
	}
	push("127.0.0.1", "live", string(toyFile(3)))
	until(t, "nobody else may push", func() bool { return r.points["live"].Snapshot().State == point.Live })
	format.quarantine()
	if code, text := ask(t, push("127.0.0.1", "other", string(toyFile(3)))); code != 503 || !strings.Contains(text, "EAGAIN") {
		t.Errorf("in quarantine: %d %q", code, text)
	}
	if r.points["live"].Snapshot().State != point.Live {
		t.Error("a source that is there has ended")
	}
	if p, f := parent.Status(), format.Status(); p.Faults != 0 || len(p.Aside) != 0 || f.Faults != 1 ||
		f.TurnedAway[reasonThrottled] != 1 || f.TurnedAway["quarantined"] != 1 {
		t.Errorf("%+v, %+v", p.Blamed, f.Blamed)
	}
}
