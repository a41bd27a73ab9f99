package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/journal"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// hear gives the rig's room a journal and reads events of these kinds.
func (r *rig) hear(kinds ...journal.Kind) *journal.Reader {
	r.t.Helper()
	j := journal.New(time.Now)
	r.room.options.Journal = j
	reader, err := j.Read(journal.Filter{Kinds: kinds})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(reader.Close)
	return reader
}

// TestReportIsTold: a player's report is told of once its plugin has taken it.
func TestReportIsTold(t *testing.T) {
	r := newRig(t, false, point.Options{Name: "live"}, point.Options{Name: "other"})
	heard := r.hear(journal.Log, journal.Describe, journal.Limit)
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if e, ok := e.(*abi.HTTPRequest); ok {
			status := 204
			if string(e.Path) == "/other" {
				status = 400
			}
			v.Respond(status, 0, nil, nil)
		}
		return nil
	})
	at := r.listen()
	const report = "POST /%s HTTP/1.1\nHost: x\nConnection: close\nUser-Agent: NSPlayer/9\nContent-Type: %s\nContent-Length: 0\n\n"
	for _, of := range [][2]any{{"other", reportType}, {"live", "text/plain"}, {"live", "Application/X-WMS-LogStats; charset=UTF-8"}} {
		ask(t, r.dial(at, fmt.Sprintf(report, of[0], of[1])))
	}
	events, _ := heard.Next(t.Context(), 10)
	if len(events) != 1 || events[0].Kind != journal.Log || events[0].Point != "live" || events[0].Peer == "" || events[0].Client.UserAgent != "NSPlayer/9" {
		t.Errorf("%d events, the first %+v", len(events), events[0])
	}
}

// TestLimitIsToldOnce: a limit is told of for an answer of 503 alone, and once for an ATTACH
// that is refused and answered so.
func TestLimitIsToldOnce(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live", MaxViewers: 1})
	heard := r.hear(journal.Limit)
	r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			switch string(e.Query) {
			case "missing":
				v.RespondText(404, 0, "no such file")
			case "full":
				v.RespondText(503, 0, "full")
			default:
				v.Respond(200, 0, nil, nil)
				v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey}, nil)
			}
		case *abi.Refused:
			v.RespondText(503, 0, "refused")
		}
		return nil
	})
	r.fill("live")
	if _, err := r.points["live"].Join("toy", time.Now()); err != nil {
		t.Fatal(err)
	}
	at := r.listen()
	for query, want := range map[string][2]int{"missing": {404, 0}, "full": {503, 1}, "play": {503, 1}} {
		if code, text := ask(t, r.dial(at, fmt.Sprintf(request, "live?"+query))); code != want[0] {
			t.Errorf("%s: %d %q", query, code, text)
		}
		if events, _ := heard.Take(10); len(events) != want[1] {
			t.Errorf("%s: %d events, want %d", query, len(events), want[1])
		}
	}
}

// TestClientOfFlow: who plays over a flow beside a connection plays over UDP, and the
// connection itself is TCP.
func TestClientOfFlow(t *testing.T) {
	r := newRig(t, false)
	r.hear(journal.Play)
	s := r.add(sinnerYAML, nil).newPeer(kindRaw, newFlow(1).remote)
	beside := &conn{number: 2, flow: &flowing{flow: newFlow(1)}}
	s.conns = []*conn{{number: 1}, beside}
	if c := s.client(beside); c.Transport != "UDP" || c.Local != "192.0.2.1:5000" {
		t.Errorf("%+v", c)
	}
	if c := s.client(nil); c.Transport != "TCP" {
		t.Errorf("%+v", c)
	}
}
