package session

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// together has requests for the paths come in one frame, which trip judges, and gives
// the status codes of the answers.
func together(t *testing.T, trip func([]byte) plugin.Kind, paths ...string) ([]int, PluginStatus) {
	t.Helper()
	r := newRig(t, true)
	entered, gate := make(chan bool), make(chan bool)
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if q, ok := e.(*abi.HTTPRequest); ok && string(q.Path) == "/gate" {
			entered <- true
			<-gate
		}
		v.RespondText(200, 0, "answered")
		return nil
	})
	runner.Generation().(*generation).trip = trip
	at := r.listen()
	first := r.dial(at, fmt.Sprintf(request, "gate"))
	<-entered
	under := r.room.nextID.Load()
	var conns []io.Reader
	for _, p := range paths {
		conns = append(conns, r.dial(at, fmt.Sprintf(request, p)))
	}
	r.waitReady(runner, under, len(paths))
	close(gate)
	ask(t, first)
	var codes []int
	for _, c := range conns {
		code, _ := ask(t, c)
		codes = append(codes, code)
	}
	runner.one().do(func() {}) // what is counted after the answers is counted
	return codes, runner.Status()
}

// TestOneRetry: an event that runs out of time is tried once more, whether its first
// try was alone or in a frame of many.
func TestOneRetry(t *testing.T) {
	for _, paths := range [][]string{{"guilty"}, {"guilty", "p1", "p2"}} {
		tries := 0
		codes, st := together(t, func(frame []byte) plugin.Kind {
			if !bytes.Contains(frame, []byte("/guilty")) {
				return 0
			}
			tries++
			return plugin.Deadline
		}, paths...)
		if want := []int{503, 200, 200}[:len(paths)]; !slices.Equal(codes, want) {
			t.Errorf("%q: %v, want %v", paths, codes, want)
		}
		if tries != 2 || st.Faults != 1 {
			t.Errorf("%q: %d tries, %d faults", paths, tries, st.Faults)
		}
	}
}

// TestFaultOfManyIsSeen: a fault that only a frame of many brings is counted once and
// shown, and nobody pays for it.
func TestFaultOfManyIsSeen(t *testing.T) {
	codes, st := together(t, func(frame []byte) plugin.Kind {
		if bytes.Contains(frame, []byte("/p1")) && bytes.Contains(frame, []byte("/p2")) {
			return plugin.Trap
		}
		return 0
	}, "p1", "p2", "p3")
	if want := []int{200, 200, 200}; !slices.Equal(codes, want) {
		t.Errorf("%v", codes)
	}
	if st.Faults != 1 || st.LastFault == nil || st.LastFault.Session != 0 || st.LastFault.Fault.Kind != plugin.Trap {
		t.Errorf("%d faults, last %+v", st.Faults, st.LastFault)
	}
}

// TestPointChangesDuringPoint: a change that comes while POINT is being answered is
// told by another POINT, and a POINT whose call fails comes again.
func TestPointChangesDuringPoint(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	seen := newRecorder()
	runner := r.add(sinnerYAML, func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			v.Watch([]byte("live"))
		case *abi.Point:
			seen.add("point " + string(e.Summary.Reason))
			switch string(e.Summary.Reason) {
			case "first":
				r.points["live"].Fail("second")
			case "second":
				v.RespondText(200, 0, "heard")
			}
		}
		return nil
	})
	tripped := false
	runner.Generation().(*generation).trip = func(frame []byte) plugin.Kind {
		if tripped || !bytes.Contains(frame, []byte("first")) {
			return 0
		}
		tripped = true
		return plugin.Deadline
	}
	conn := r.dial(r.listen(), fmt.Sprintf(request, "live"))
	until(t, "nobody watches", func() (is bool) {
		runner.one().do(func() {
			for _, s := range runner.one().sessions {
				is = len(s.links.watched) > 0
			}
		})
		return is
	})
	r.points["live"].Fail("first")
	seen.wait(t, "point second")
	if code, text := ask(t, conn); code != 200 {
		t.Errorf("%d %q; seen %q", code, text, seen.list())
	}
	if !tripped {
		t.Error("no POINT was tried again")
	}
}

// TestMetricBeforeClose: a counter that exists counts against the limit, even if the
// session ends with the same batch.
func TestMetricBeforeClose(t *testing.T) {
	r := newRig(t, true)
	runner := r.add(sinnerYAML, func(_ *memo, _ abi.Record, v *sdk.Verdicts) error {
		v.Metric("before", 1)
		v.Close(0, abi.CloseNow, "done")
		v.Metric("after", 1)
		return nil
	})
	ask(t, r.dial(r.listen(), fmt.Sprintf(request, "x")))
	runner.one().do(func() {
		if !runner.metrics["before"] || runner.metrics["after"] {
			t.Errorf("%v", runner.metrics)
		}
	})
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	if len(r.counts.custom) != 1 {
		t.Errorf("%v", r.counts.custom)
	}
}
