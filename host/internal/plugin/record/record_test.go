package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// recording runs f while what goes through the tap is recorded.
func recording(t testing.TB, tap *Tap, o Options, f func()) []byte {
	t.Helper()
	o.Plugin, o.Host = "parrot", "test"
	r := NewRecorder(o)
	if err := tap.Start(r); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	var copying sync.WaitGroup
	copying.Go(func() {
		if n, err := r.Copy(t.Context(), &file); err != nil || n != int64(file.Len()) {
			t.Errorf("copied %d of %d bytes: %v", n, file.Len(), err)
		}
	})
	f()
	tap.Stop(r)
	copying.Wait()
	return file.Bytes()
}

func entries(t testing.TB, file []byte) (list []Entry, r *Reader) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
}

func kinds(list []Entry) (all []Kind) {
	for _, e := range list {
		all = append(all, e.Kind)
	}
	return all
}

func TestRecording(t *testing.T) {
	var tap Tap
	g := Wrap(&native{fresh: parrot(false)}, &tap)
	old := start(t, g)
	tell(t, old, frame(t, data("before")))
	file := recording(t, &tap, Options{}, func() {
		tell(t, old, frame(t, data("one"), data("two")))
		young := start(t, g)
		tell(t, young, frame(t, data("three")))
		if _, fault := young.Call(time.Second, frame(t, data("die"))); fault == nil {
			t.Error("no fault")
		}
		young.Close()
		tell(t, old, frame(t, data("four")))
	})
	tell(t, old, frame(t, data("after")))
	old.Close()

	list, r := entries(t, file)
	want := []Kind{Started, Call, Call, Started, Call, Call, Faulted, Closed, Call, End}
	if got := kinds(list); !slices.Equal(got, want) || r.Torn() {
		t.Fatalf("entries %v, want %v", got, want)
	}
	if h := r.Header(); h.Plugin != "parrot" || h.Host != "test" || h.Major != abi.Major || time.Since(h.Begin) > time.Minute {
		t.Errorf("header %+v", h)
	}
	if b := list[0].Build; b != (Build{1, "1.2.3", "abc", "native"}) {
		t.Errorf("build %+v", b)
	}
	if !bytes.Equal(list[1].In, opening(t)) {
		t.Error("an instance that was recorded in the middle of its life does not begin with OPEN")
	}
	if c := list[2]; c.Instance != 1 || !bytes.Equal(c.In, frame(t, data("one"), data("two"))) || !strings.Contains(string(c.Out), "two") {
		t.Errorf("call %+v", c)
	}
	sin := Sin{Kind: "trap", During: "DATA", Cause: "unreachable", Stack: "inner\nouter"}
	if f := list[6]; f.Instance != 2 || f.Limit != time.Second || f.Sin != sin || len(f.In) == 0 {
		t.Errorf("fault %+v", f)
	}
	if e := list[9]; e.Reason != ByStop || e.Missed != 0 {
		t.Errorf("end %+v", e)
	}
}

func TestStartThatFails(t *testing.T) {
	var tap Tap
	g := Wrap(&native{broken: true}, &tap)
	file := recording(t, &tap, Options{}, func() {
		if _, fault := g.New(); fault == nil {
			t.Error("no fault")
		}
	})
	list, _ := entries(t, file)
	if len(list) != 3 || list[1].Kind != Faulted || list[1].Sin.Kind != "start" || list[1].Sin.During != "_initialize" || list[1].In != nil {
		t.Errorf("%+v", list)
	}
}

func TestOneRecorderAtATime(t *testing.T) {
	var tap Tap
	a, b := NewRecorder(Options{}), NewRecorder(Options{})
	if tap.Start(a) != nil || !errors.Is(tap.Start(b), ErrBusy) {
		t.Error("two at a time")
	}
	tap.Stop(b)
	if !errors.Is(tap.Start(b), ErrBusy) {
		t.Error("a stranger's Stop")
	}
	tap.Stop(a)
	if tap.Start(b) != nil {
		t.Error("the tap is not free again")
	}
	tap.End()
	tap.End()
	if tap.Start(a) != nil {
		t.Error("the tap is not free after End")
	}
}

// TestEnds: each bound ends the recording in good order, with the calls that it missed.
func TestEnds(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 10<<10)
	for _, c := range []struct {
		name   string
		o      Options
		reason string
		calls  int
	}{
		{"bytes", Options{Bytes: 64 << 10}, ByBytes, 3},
		{"pending", Options{Pending: 64 << 10}, ByOverrun, 3},
		{"one is too much", Options{Pending: 1 << 10}, ByOverrun, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tap Tap
			g := Wrap(&native{fresh: parrot(false)}, &tap)
			i := start(t, g)
			defer i.Close()
			c.o.Plugin = "parrot"
			r := NewRecorder(c.o)
			if err := tap.Start(r); err != nil {
				t.Fatal(err)
			}
			for range 20 { // nobody reads meanwhile
				tell(t, i, frame(t, data(string(big))))
			}
			var file bytes.Buffer
			if _, err := r.Copy(t.Context(), &file); err != nil {
				t.Fatal(err)
			}
			tap.Stop(r)
			list, read := entries(t, file.Bytes())
			end := list[len(list)-1]
			got := len(list) - 1
			if got > 0 {
				got -= 2 // the start and its OPEN
			}
			if read.Torn() || end.Reason != c.reason || got < c.calls || got > c.calls+3 || int(end.Missed)+got != 20 {
				t.Errorf("%d calls, end %+v", got, end)
			}
		})
	}
}

func TestEndsInTime(t *testing.T) {
	var file bytes.Buffer
	if _, err := NewRecorder(Options{For: time.Millisecond}).Copy(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	if list, _ := entries(t, file.Bytes()); len(list) != 1 || list[0].Reason != ByTime {
		t.Errorf("%+v", list)
	}
	file.Reset()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewRecorder(Options{}).Copy(gone, &file); err != nil {
		t.Fatal(err)
	}
	if list, _ := entries(t, file.Bytes()); len(list) != 1 || list[0].Reason != ByStop {
		t.Errorf("%+v", list)
	}
}

// TestSlowReader: a reader that never takes anything ends the recording, and no call waits for it.
func TestSlowReader(t *testing.T) {
	var tap Tap
	i := start(t, Wrap(&native{fresh: parrot(false)}, &tap))
	defer i.Close()
	r := NewRecorder(Options{Pending: 100 << 10})
	if err := tap.Start(r); err != nil {
		t.Fatal(err)
	}
	from, to := io.Pipe()
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = r.Copy(t.Context(), to); to.Close() })
	one := frame(t, data(strings.Repeat("x", 10<<10)))
	for range 100 { // would block for ever if it waited
		tell(t, i, one)
	}
	file, err := io.ReadAll(from)
	copying.Wait()
	tap.Stop(r)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := entries(t, file)
	if end := list[len(list)-1]; end.Reason != ByOverrun || end.Missed == 0 {
		t.Errorf("%+v", end)
	}
}

// TestWorkersTogether: several instances of a plugin are recorded at once, each in its order.
func TestWorkersTogether(t *testing.T) {
	var tap Tap
	g := Wrap(&native{fresh: parrot(false)}, &tap)
	file := recording(t, &tap, Options{}, func() {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				i := start(t, g)
				defer i.Close()
				for n := range 50 {
					tell(t, i, frame(t, data(strings.Repeat("y", n))))
				}
			})
		}
		all.Wait()
	})
	list, _ := entries(t, file)
	seen := map[uint32]int{}
	for _, e := range list {
		if e.Kind == Call {
			if want := strings.Repeat("y", seen[e.Instance]-1+max(1-seen[e.Instance], 0)); seen[e.Instance] > 0 && !bytes.Equal(e.In, frame(t, data(want))) {
				t.Fatalf("instance %d: call %d is another", e.Instance, seen[e.Instance])
			}
			seen[e.Instance]++
		}
	}
	if len(seen) != 4 || seen[1] != 51 {
		t.Errorf("%v", seen)
	}
}

// TestCostsNothingWhileNobodyRecords asserts what Wrap promises.
func TestCostsNothingWhileNobodyRecords(t *testing.T) {
	var tap Tap
	i := start(t, Wrap(&idle{}, &tap))
	one := frame(t, data("x"))
	if n := testing.AllocsPerRun(100, func() { _, _ = i.Call(0, one) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

// TestTappedProcess: what a generation is besides is not lost behind the tap.
func TestTappedProcess(t *testing.T) {
	p, ok := Wrap(process{&native{}}, new(Tap)).(plugin.Process)
	if !ok || p.PID() != 7 || p.Restarts() != 3 {
		t.Error("a process is none behind the tap")
	}
	if _, ok := Wrap(&native{}, new(Tap)).(plugin.Process); ok {
		t.Error("what is no process became one")
	}
}

type process struct{ *native }

func (process) PID() int         { return 7 }
func (process) Restarts() uint64 { return 3 }

// idle answers nothing.
type idle struct{ native }

func (*idle) New() (plugin.Instance, *plugin.Fault) { return nothing{}, nil }

type nothing struct{}

func (nothing) Call(time.Duration, []byte) ([]byte, *plugin.Fault) { return nil, nil }
func (nothing) Inbox() int                                         { return abi.UsualBox }
func (nothing) Close()                                             {}

func BenchmarkTap(b *testing.B) {
	one := frame(b, data("x"))
	for _, c := range []struct {
		name string
		open func() plugin.Generation
	}{
		{"without", func() plugin.Generation { return &idle{} }},
		{"idle", func() plugin.Generation { return Wrap(&idle{}, new(Tap)) }},
		{"recording", func() plugin.Generation {
			tap, r := new(Tap), NewRecorder(Options{Bytes: 1 << 40})
			_ = tap.Start(r)
			go func() { _, _ = r.Copy(b.Context(), io.Discard) }()
			return Wrap(&idle{}, tap)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			i := start(b, c.open())
			b.ReportAllocs()
			for b.Loop() {
				_, _ = i.Call(0, one)
			}
		})
	}
}
