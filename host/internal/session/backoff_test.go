package session

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	runner.one().do(func() { w := runner.one(); w.ensureInstance(w.now) })
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

// failing has a source's build panic at each tick while it is broken, after which none of
// its instances starts.
func failing(g *generation, broken *atomic.Bool) *generation {
	good := g.handler
	g.handler = func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		if e.Op() == abi.OpTimer && broken.Load() {
			g.barren.Store(true)
			panic("no more")
		}
		return good(m, e, v)
	}
	return g
}

// ticks counts what the sessions of each point were told since.
func ticks(seen *recorder, since int) map[string]int {
	n := map[string]int{}
	for _, text := range seen.list()[since:] {
		n[text[strings.LastIndexByte(text, ' ')+1:]]++
	}
	return n
}

// TestOldBuildStalls: a build that sessions stay with, and that does not start any more,
// keeps nobody from the new one; once it starts, those that stayed go on.
func TestOldBuildStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		var broken atomic.Bool
		broken.Store(true)
		old := failing(keeperBuild(t, "1", "", seen), &broken)
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}"), Drain: 2 * time.Hour})
		enable := func(g *generation, points ...string) {
			t.Helper()
			if err := runner.Enable(g); err != nil {
				t.Fatal(err)
			}
			for _, p := range points {
				runner.start(point.New(point.Options{Name: p, URL: "keep:x"}, nil))
			}
			synctest.Wait()
		}
		enable(old, "p0", "p1", "p2")
		enable(keeperBuild(t, "2", "", seen), "n0")
		time.Sleep(1500 * time.Millisecond) // a tick
		for range 3 {
			if st := runner.State(); st.Phase != Running || runner.refuses(netip.MustParseAddrPort("203.0.113.2:1")) != nil {
				t.Fatalf("a newcomer is refused: %+v", st)
			}
			time.Sleep(20 * time.Minute)
			synctest.Wait()
		}
		if got := ticks(seen, 0); len(got) != 1 || got["n0"] < 3000 {
			t.Errorf("while the old build does not start: %v", got)
		}
		since := len(seen.list())
		broken.Store(false)
		old.barren.Store(false)
		time.Sleep(lastWait + 10*time.Second)
		if got := ticks(seen, since); len(got) != 4 || min(got["p0"], got["p1"], got["p2"]) < 9 || got["n0"] < 60 {
			t.Errorf("once the old build starts: %v", got)
		}
		r.room.Close()
	})
}

// TestStallHoldsItsOwn: a build that does not start ends none of another's sessions, even
// if that has no instance at the moment.
func TestStallHoldsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		old := keeperBuild(t, "1", "", seen)
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}"), Drain: usualDrain})
		for i, g := range []*generation{old, keeperBuild(t, "2", "", seen)} {
			if err := runner.Enable(g); err != nil {
				t.Fatal(err)
			}
			runner.start(point.New(point.Options{Name: fmt.Sprint("p", i), URL: "keep:x"}, nil))
			synctest.Wait()
		}
		s := runner.newSession(kindDocument, "somebody")
		s.link().answer = func(a documentAnswer) {
			if seen.add("answered"); a.Err == nil {
				t.Error("the document came")
			}
		}
		s.w.add(s)
		w := runner.one()
		old.barren.Store(true)
		w.do(func() {
			w.dropInstance(w.now)
			w.dropInstance(w.old[0])
			w.ensureInstance(w.old[0])
		})
		w.do(func() {
			if s.inbox.over.Load() || !w.old[0].isStalled() {
				t.Errorf("the new build's session has ended: %q", seen.list())
			}
		})
		r.room.Close()
	})
}

// TestStallKeepsQuarantine: neither a plugin's quarantine for its faults nor its end is
// cut short by a build that does not start.
func TestStallKeepsQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		g := newGeneration(t, starterYAML, func(*memo, abi.Record, *sdk.Verdicts) error { return nil })
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		runner.keepOut(5 * time.Second)
		w := runner.one()
		g.barren.Store(true)
		w.do(func() { w.dropInstance(w.now); w.ensureInstance(w.now) })
		if st := runner.State(); st.Works() || time.Until(st.Until) != firstWait {
			t.Errorf("%+v", st)
		}
		g.barren.Store(false)
		time.Sleep(2 * time.Second)
		if st := runner.State(); !st.Works() || st.Phase != Quarantined || time.Until(st.Until) != 3*time.Second {
			t.Errorf("the quarantine for faults: %+v", st)
		}
		time.Sleep(4 * time.Second)
		if st := runner.State(); st.Phase != Running {
			t.Errorf("%+v", st)
		}
		g.barren.Store(true)
		w.do(func() {
			runner.setState(Draining, "a test")
			w.dropInstance(w.now)
			w.ensureInstance(w.now)
		})
		if st := runner.State(); st.Phase != Draining {
			t.Errorf("%+v", st)
		}
		runner.Disable("a test")
		if st := runner.State(); st.Phase != Disabled {
			t.Errorf("%+v", st)
		}
		r.room.Close()
	})
}

// TestWorkersStallApart: of two instances that do not start, at different moments, each
// is tried again for itself, and the plugin runs once both do.
func TestWorkersStallApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		var broken atomic.Bool
		broken.Store(true)
		g := failing(keeperBuild(t, "1", "", seen), &broken)
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}"), Instances: 2})
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a0", "b0", "a1", "b1"} {
			runner.start(point.New(point.Options{Name: name, URL: "keep:x"}, nil))
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second) // the first sessions' ticks were faults, at the second ones' nothing has started
		broken.Store(false)
		g.barren.Store(false)
		if st := runner.State(); st.Phase != Quarantined {
			t.Errorf("%+v", st)
		}
		time.Sleep(850 * time.Millisecond)
		if st, n := runner.State(), len(ticks(seen, 0)); st.Works() || n != 1 {
			t.Errorf("between the starts: %+v, %d sessions go on", st, n)
		}
		time.Sleep(10 * time.Minute)
		got := ticks(seen, 0)
		if len(got) != 2 { // one of each worker was to blame
			t.Errorf("%v", got)
		}
		for name, n := range got {
			if n < 595 {
				t.Errorf("%s: %d ticks in ten minutes", name, n)
			}
		}
		if st := runner.Status(); st.State.Phase != Running || st.Sessions != 2 {
			t.Errorf("%+v, %d sessions", st.State, st.Sessions)
		}
		r.room.Close()
	})
}
