package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/journal"
)

func (s *scripted) StartPoint(name string) error { return s.setPoint(name, "idle", "") }

func (s *scripted) StopPoint(name, reason string) error { return s.setPoint(name, "stopped", reason) }

func (s *scripted) setPoint(name, state, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "live" {
		return fmt.Errorf("there is no point %q: %w", name, admin.ErrNotFound)
	}
	s.pointState, s.pointReason = state, reason
	return nil
}

// Events gives a reader of what has happened already.
func (s *scripted) Events(f journal.Filter) (*journal.Reader, error) {
	j := journal.New(time.Now)
	r, err := j.Read(f)
	if err != nil {
		return nil, err
	}
	j.Tell(admin.Event{Kind: journal.Play, Point: "live", Plugin: "wmsp", Session: 7, Peer: "192.0.2.1:5", Rendition: "mmsh", Client: &journal.Client{UserAgent: "a\x1bb"}})
	j.Tell(admin.Event{Kind: journal.Stop, Point: "live", Session: 7, Reason: "peer_closed", Traffic: &journal.Traffic{Seconds: 3, BytesOut: 2048}})
	j.Close()
	return r, nil
}

func TestEventsCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	serving(t)
	code, out, errOut := weir("events", "--point", "live")
	if code != 1 || !strings.Contains(errOut, "the server has ended") || !strings.Contains(out, " play point live plugin wmsp rendition mmsh peer 192.0.2.1:5 session 7 (a?b)\n") ||
		!strings.Contains(out, ": peer_closed\n") {
		t.Errorf("%d\n%s\n%s", code, out, errOut)
	}
	_, out, _ = weir("events", "--json", "--kind", "stop,play")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[1], `{"id":2,`) || !strings.Contains(lines[1], `"traffic":{"seconds":3,"bytes_out":2048}`) {
		t.Errorf("%q", out)
	}
	if code, _, errOut = weir("events", "--kind", "pley"); code != 1 || !strings.Contains(errOut, `there is no kind "pley"`) {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestPointCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	serving(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"point", "stop", "live", "--reason", "closed until noon"}, 0, "point live is stopped: closed until noon\n"},
		{[]string{"point", "start", "live"}, 0, "point live is idle\n"},
		{[]string{"point", "stop", "live", "--json"}, 0, `"state": "stopped"`},
		{[]string{"point", "stop", "dead"}, 1, `there is no point "dead"`},
		{[]string{"point", "stop"}, 2, "see: weir point stop --help"},
		{[]string{"point"}, 2, "weir point start live"},
	} {
		code, out, errOut := weir(c.args...)
		if code != c.code || !strings.Contains(out+errOut, c.says) {
			t.Errorf("weir %v: exit %d, %q %q; want %d, %q", c.args, code, out, errOut, c.code, c.says)
		}
	}
}
