package session

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const starterYAML = `
name: keeper
roles: [source]
sources: [keep]
state: {schema: keep/1}
`

// starter is a source whose build panics on each n-th point that is started, whenever it is
// told; 0: on none.
func starter(t *testing.T, nth int, seen *recorder) *generation {
	t.Helper()
	g := newGeneration(t, starterYAML, nil)
	g.handler = func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		if e, ok := e.(*abi.Start); ok {
			if at, err := strconv.Atoi(strings.TrimLeft(string(e.Point), "abl")); err == nil && nth > 0 && at%nth == nth-1 {
				panic("the third")
			}
			*m = append(memo(nil), e.Point...)
			seen.add(fmt.Sprintf("%d: %s", g.number, e.Point))
		}
		return nil
	}
	return g
}

// TestRollBack: a build that faults more than the one before is taken back within its
// first minute, with the sessions of both; one that does not stays, and the one before
// is closed after the minute.
func TestRollBack(t *testing.T) {
	for _, c := range []struct {
		name      string
		before    int // the build before panics on each so many-th
		now       int
		wait      time.Duration
		comesBack bool
	}{
		{"worse", 0, 3, 0, true},
		{"worse than a bad one", 9, 3, 0, true},
		{"less bad", 2, 3, 0, false},
		{"better", 3, 9, 0, false},
		{"too late", 0, 3, trialTime + time.Second, false},
		{"good", 0, 0, 0, false},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rollBack(t, c.before, c.now, c.wait, c.comesBack) })
		})
	}
}

func rollBack(t *testing.T, before, now int, wait time.Duration, comesBack bool) {
	t.Helper()
	r := newRig(t, false)
	seen := newRecorder()
	old, bad := starter(t, before, seen), starter(t, now, seen)
	runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
	start := func(n int, prefix string) {
		for i := range n {
			runner.start(point.New(point.Options{Name: fmt.Sprint(prefix, i), URL: "keep:x"}, nil))
			synctest.Wait()
			time.Sleep(10 * time.Millisecond)
		}
	}
	if err := runner.Enable(old); err != nil {
		t.Fatal(err)
	}
	start(27, "a")
	if err := runner.Enable(bad); err != nil {
		t.Fatal(err)
	}
	time.Sleep(wait)
	start(27, "b")
	st := runner.Status()
	if back := st.Generation == old.number; back != comesBack {
		t.Errorf("generation %d is in force, of %d and %d", st.Generation, old.number, bad.number)
	}
	if comesBack != strings.Contains(st.RolledBack, "the third") || comesBack != strings.Contains(st.RolledBack, fmt.Sprintf("generation %d (version 1.0.0) was rolled back", bad.number)) {
		t.Errorf("status says %q", st.RolledBack)
	}
	start(1, "l")
	seen.wait(t, fmt.Sprintf("%d: l0", runner.Generation().Number()))
	time.Sleep(trialTime)
	synctest.Wait()
	if old.closed.Load() == comesBack || bad.closed.Load() != comesBack {
		t.Errorf("after the minute: old closed %v, new closed %v", old.closed.Load(), bad.closed.Load())
	}
	if err := runner.Enable(starter(t, 0, seen)); err != nil {
		t.Fatal(err)
	}
	if st := runner.Status(); st.RolledBack != "" {
		t.Errorf("after another build: %q", st.RolledBack)
	}
	r.room.Close()
	if !old.closed.Load() || !bad.closed.Load() {
		t.Error("a build is open after the end")
	}
}

// TestRolledBackPackager: the packager of a build that is taken back goes on with the one
// before, at a key packet, and viewers lose nothing.
func TestRolledBackPackager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		runner := r.add(packYAML, framing("<"))
		f := r.fill("live")
		synctest.Wait()
		to := packed(t, r)
		good := framing(">")
		if err := runner.Enable(newGeneration(t, packYAML, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
			if p, ok := e.(*abi.Packets); ok {
				for n := range p.Packets.All() {
					if n.Sequence%10 > 6 {
						panic("a bad packet")
					}
				}
			}
			return good(m, e, v)
		})); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < 40; i++ {
			k := media.Packet{}
			if i%3 == 1 {
				k.Flags = media.Key
			}
			f.Append(k, []byte{byte('a' + i%26)})
			synctest.Wait()
		}
		got := readAll(to.Log)
		if runner.Status().RolledBack == "" || !strings.Contains(got, ">") || !strings.HasSuffix(got, "<l<m<n") {
			t.Errorf("%s", got)
		}
		if lost := 40 - strings.Count(got, "<") - strings.Count(got, ">"); lost != 3 { // those of the faults
			t.Errorf("%d packets lost: %s", lost, got)
		}
		r.room.Close()
	})
}

// TestCanary: a build that fails on an event that the one in force has answered is not
// put in force; an event that nobody has answered tells nothing.
func TestCanary(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	build := func(bad string, state string) *generation {
		return newGeneration(t, strings.Replace(sinnerYAML, "sin/1", state, 1), func(m *memo, e abi.Record, v *sdk.Verdicts) error {
			switch e := e.(type) {
			case *abi.HTTPRequest:
				if string(e.Path) == bad {
					panic("cannot do it")
				}
				v.RespondText(200, 0, "answered")
			case *abi.Data:
				if bad == "data" && string(*m) == "state" {
					return sdk.Fail(abi.EINTERNAL, "no such state")
				}
				*m = memo("state")
				v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			}
			return nil
		})
	}
	runner, err := r.room.Add(PluginOptions{Name: "sinner", Grant: everything, Config: []byte("{}"), Instances: 2})
	if err == nil {
		err = runner.Enable(build("", "sin/1"))
	}
	if err != nil {
		t.Fatal(err)
	}
	at := r.listen()
	for i := range 20 { // more than are kept; each is answered on its own
		if code, _ := ask(t, r.dial(at, fmt.Sprintf(request, fmt.Sprint("live", i)))); code != 200 {
			t.Fatal(code)
		}
	}
	raw := r.dial(at, "\xAA\xBB\xCC\xDD")
	until(t, "no state", func() bool { return runner.Status().Events >= 22 })
	_, _ = io.WriteString(raw, "more")
	until(t, "not told", func() bool { return runner.Status().Events >= 23 })
	runner.each(func(w *worker) {
		w.samples.all = append([]sample(nil), w.samples.all...) // what is kept is complete
		if len(w.samples.all) > maxSamples {
			t.Errorf("%d samples", len(w.samples.all))
		}
	})
	faults := runner.Status().Faults
	for _, c := range []struct{ bad, state, on string }{
		{"/live19", "sin/1", "HTTP_REQUEST"}, {"/nobody", "sin/1", ""}, {"/live18", "sin/1", "HTTP_REQUEST"}, {"", "sin/1", ""},
	} {
		was := runner.Generation()
		g := build(c.bad, c.state)
		err := runner.Enable(g)
		no, isCanary := errors.AsType[*CanaryError](err)
		switch {
		case c.on == "" && (err != nil || runner.Generation() != g):
			t.Errorf("%+v: %v", c, err)
		case c.on != "" && (!isCanary || no.Event.String() != c.on || !strings.Contains(err.Error(), "cannot do it") || runner.Generation() != was):
			t.Errorf("%+v: %v", c, err)
		}
	}
	if n := runner.Status().Faults; n != faults {
		t.Errorf("%d faults, %d before: a canary is no fault of what runs", n, faults)
	}
}

// TestSamplesCostNothing: what is kept for the canary is copied into the same memory.
func TestSamplesCostNothing(t *testing.T) {
	r := newRig(t, false)
	w := newWorker(&Runner{room: r.room})
	defer w.Close()
	w.do(func() {
		frame := make([]byte, abi.UsualBox)
		w.scratch.w.Reset(frame)
		s := &Session{r: w.r, w: w, blob: []byte("x"), schema: "a/1", links: &unlinked, telling: telling{cur: idle}}
		w.now = &era{gen: (&build{Generation: newGeneration(t, starterYAML, nil)}).hold()}
		s.era = w.now
		now := time.Unix(1, 0)
		events := []abi.Event{&abi.Data{Bytes: make([]byte, 1000)}, &abi.HTTPRequest{Path: []byte("/a")}, &abi.HTTPRequest{Path: []byte("/b")}}
		if err := w.scratch.w.Put(1, 0, events[0]); err != nil {
			t.Fatal(err)
		}
		end, n := w.scratch.w.Mark()
		turn := func() {
			for _, e := range events {
				s.tell(e, fromQueue)
				w.keep(s, stand{8, end, n, s.held()}, now)
			}
			now = now.Add(time.Hour)
		}
		turn()
		if n := testing.AllocsPerRun(100, turn); n > 0 {
			t.Errorf("%v allocations", n)
		}
		if len(w.samples.all) != 3 {
			t.Errorf("%d kept", len(w.samples.all))
		}
		w.now.gen.release()
		w.now = nil
	})
}
