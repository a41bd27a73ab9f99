package session

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// addWithin enables the sinner under limits.
func (r *rig) addWithin(limits plugin.Limits, h handler) (*Runner, *generation) {
	r.t.Helper()
	g := newGeneration(r.t, sinnerYAML, h)
	g.limits = limits
	runner, err := r.room.Add(PluginOptions{Name: g.manifest.Name, Grant: everything, Config: []byte("{}")})
	if err == nil {
		err = runner.Enable(g)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return runner, g
}

func writeText(v *sdk.Verdicts, text string) {
	p := v.Pieces()
	p.Text(text)
	v.Write(1, p)
}

const magic = "\xAA\xBB\xCC\xDD" // of sinnerYAML

// TestBounds: a session may hold what its limits say, and one more is refused with its
// code and counted under the limit's name.
func TestBounds(t *testing.T) {
	limits := plugin.Limits{Session: plugin.Session{Retained: 10, State: 8, Timers: 2}}
	for name, c := range map[string]struct {
		do      func(m *memo, d *abi.Data, v *sdk.Verdicts)
		want    string
		limited string
	}{
		"state": {func(m *memo, _ *abi.Data, _ *sdk.Verdicts) { *m = memo("12345678") }, "fine", ""},
		"much state": {func(m *memo, _ *abi.Data, _ *sdk.Verdicts) { *m = memo("123456789") },
			"ETOOBIG: state of 9 bytes; 8 are allowed", "state"},
		"timers": {func(_ *memo, _ *abi.Data, v *sdk.Verdicts) {
			v.SetTimer(1, 1e12)
			v.SetTimer(2, 1e12)
			v.SetTimer(1, 2e12)
		}, "fine", ""},
		"many timers": {func(_ *memo, _ *abi.Data, v *sdk.Verdicts) {
			v.SetTimer(1, 1e12)
			v.SetTimer(2, 1e12)
			v.SetTimer(3, 1e12)
		},
			"ELIMIT: a session may have 2 timers", "timers"},
		"retained": {func(_ *memo, d *abi.Data, v *sdk.Verdicts) { v.Retain(1, uint64(len(d.Bytes)-10)) }, "fine", ""},
		"much retained": {func(_ *memo, d *abi.Data, v *sdk.Verdicts) { v.Retain(1, uint64(len(d.Bytes)-11)) },
			"ELIMIT: RETAIN 9 keeps 11 bytes; 10 are allowed", "retained"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			r := newRig(t, true)
			runner, _ := r.addWithin(limits, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
				switch e := e.(type) {
				case *abi.Data:
					if len(e.Bytes) < 20 {
						v.Need(1, 20)
						return nil
					}
					writeText(v, "fine")
					c.do(m, e, v)
					v.Close(0, abi.CloseFlush, "done")
				case *abi.Refused:
					*m = nil
					writeText(v, e.Code.String()+": "+string(e.Text))
					v.Close(0, abi.CloseFlush, "done")
				}
				return nil
			})
			got, err := io.ReadAll(r.dial(r.listen(), magic+strings.Repeat("x", 16)))
			if err != nil || string(got) != c.want {
				t.Errorf("%q %v, want %q", got, err, c.want)
			}
			r.wantLimited(runner, c.limited)
		})
	}
}

// wantLimited wants one bound to be counted, or none for "".
func (r *rig) wantLimited(runner *Runner, name string) {
	r.t.Helper()
	want := map[string]uint64{}
	if name != "" {
		want[name] = 1
	}
	if st := runner.Status(); fmt.Sprint(st.Limited) != fmt.Sprint(want) {
		r.t.Errorf("%v is counted, want %v", st.Limited, want)
	}
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	if r.counts.limited[name] != len(want) {
		r.t.Errorf("metrics %v", r.counts.limited)
	}
}

// TestRetainedIsCut: what further input leaves behind the limit is let go.
func TestRetainedIsCut(t *testing.T) {
	in := newInlet(func() {})
	in.write([]byte("0123456789"))
	in.delivered(in.next())
	in.consume(10)
	in.settle(0, true, 6)
	if in.canRetain(3) || !in.canRetain(4) || in.behind(4) != 6 {
		t.Errorf("held from %d", in.held())
	}
	if b, ok := in.span(4, 6); !ok || string(b) != "456789" {
		t.Errorf("%q %v", b, ok)
	}
}

// TestWriteBounds: a peer that reads nothing is let go at its plugin's limit, a viewer
// and a connection alike.
func TestWriteBounds(t *testing.T) {
	for _, path := range []string{"viewer", "connection"} {
		t.Run(path, func(t *testing.T) {
			r := newRig(t, true, point.Options{Name: "live"})
			seen := newRecorder()
			runner, _ := r.addWithin(plugin.Limits{Session: plugin.Session{Writes: 2000}}, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
				switch e := e.(type) {
				case *abi.HTTPRequest:
					v.Respond(200, 0, nil, nil)
					v.Attach(abi.Attach{Conn: 1, Point: []byte("live"), Rendition: []byte("toy"), Mode: abi.StartKey, Hold: 1}, nil)
				case *abi.Attached:
					writeText(v, strings.Repeat("x", 2001))
				case *abi.Data:
					v.Consume(1, e.Offset+uint64(len(e.Bytes)))
					writeText(v, strings.Repeat("x", 100_000))
				case *abi.Detached:
					seen.add("detached " + string(e.Reason))
				}
				return nil
			})
			r.fill("live")
			at := r.listen()
			if path == "viewer" {
				r.dial(at, fmt.Sprintf(request, "live"))
				seen.wait(t, "detached write_overflow")
			} else {
				conn := r.dial(at, magic)
				_ = conn.(*net.TCPConn).SetReadBuffer(4096)
				until(t, "the connection is not let go", func() bool {
					_, err := conn.Write([]byte("more"))
					return err != nil
				})
			}
			r.waitSessions(runner, 0)
			if n := runner.Status().Limited["pending_writes"]; n != 1 {
				t.Errorf("%d are counted", n)
			}
		})
	}
}

// TestQueueIsBounded: of all sessions' events only so many wait beyond those that each
// may have; the session that brings another one is ended, and no other.
func TestQueueIsBounded(t *testing.T) {
	const sessions, most = 30, 16
	r := newRig(t, true)
	entered, gate := make(chan bool, 1), make(chan bool)
	runner, _ := r.addWithin(plugin.Limits{Queued: most}, func(_ *memo, e abi.Record, _ *sdk.Verdicts) error {
		if e.Op() == abi.OpTimer {
			select {
			case entered <- true:
				<-gate
			default:
			}
		}
		return nil
	})
	at := r.listen()
	for range sessions {
		r.dial(at, magic)
	}
	r.waitSessions(runner, sessions)
	var all []*Session
	runner.one().do(func() {
		for _, s := range runner.one().sessions {
			all = append(all, s)
		}
	})
	until(t, "events wait", func() bool { return !anyQueued(all) })
	all[0].enqueue(&abi.Timer{})
	<-entered // the worker waits at the gate with one event
	for _, s := range all[1:] {
		for range freeQueued {
			s.enqueue(&abi.Timer{})
		}
	}
	greedy := all[1]
	for range most {
		greedy.enqueue(&abi.Timer{})
	}
	if n := runner.bounds.queued.Load(); n != most {
		t.Errorf("%d events are counted", n)
	}
	greedy.enqueue(&abi.Timer{})
	if n := greedy.inbox.queued(); n != most+freeQueued {
		t.Errorf("%d events wait", n)
	}
	close(gate)
	r.waitSessions(runner, sessions-1)
	until(t, "events wait", func() bool { return !anyQueued(all) })
	if st := runner.Status(); !greedy.inbox.over.Load() || st.Sessions != sessions-1 || st.Limited["queued_events"] != 1 || runner.bounds.queued.Load() != 0 {
		t.Errorf("%+v, %d events are counted", st, runner.bounds.queued.Load())
	}
}

func anyQueued(all []*Session) bool {
	for _, s := range all {
		if s.hasQueued() {
			return true
		}
	}
	return false
}

// TestCallLimits: packets have a limit of their own, and a frame's grows with its events.
func TestCallLimits(t *testing.T) {
	l := plugin.Limits{Event: 40 * time.Millisecond, SlowEvent: 4 * time.Millisecond, Packets: 10 * time.Millisecond, SlowPackets: time.Millisecond}
	packets, data := &Session{telling: telling{cur: &current{event: &abi.Packets{}}}}, &Session{telling: telling{cur: &current{event: &abi.Data{}}}}
	for _, c := range []struct {
		taken      []*Session
		hard, slow time.Duration
	}{
		{[]*Session{data}, l.Event, l.SlowEvent},
		{[]*Session{packets}, l.Packets, l.SlowPackets},
		{[]*Session{packets, packets, packets}, l.PacketsFrame(3), l.SlowPackets + l.PacketsFrame(3) - l.Packets},
		{[]*Session{packets, data}, l.Frame(2), l.SlowEvent + l.Frame(2) - l.Event},
	} {
		if hard, slow := callLimits(l, c.taken); hard != c.hard || slow != c.slow {
			t.Errorf("%d events: %v %v, want %v %v", len(c.taken), hard, slow, c.hard, c.slow)
		}
	}
}

// TestLimitsReachTheCall: the instance is given the time of its generation, and a call
// beyond the soft limit is counted as slow.
func TestLimitsReachTheCall(t *testing.T) {
	r := newRig(t, true)
	runner, g := r.addWithin(plugin.Limits{Event: 7 * time.Second, SlowEvent: 1}, func(_ *memo, _ abi.Record, v *sdk.Verdicts) error {
		v.RespondText(200, 0, "x")
		return nil
	})
	if code, _ := ask(t, r.dial(r.listen(), fmt.Sprintf(request, "x"))); code != 200 {
		t.Errorf("%d", code)
	}
	if n := time.Duration(g.given.Load()); n != 7*time.Second {
		t.Errorf("the call was given %v", n)
	}
	if st := runner.Status(); st.Slow == 0 {
		t.Error("no call was slow")
	}
}
