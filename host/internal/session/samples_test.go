package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin/record"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// reader is a source that reads the states of some builds, begins with its own, and writes
// that with its first tick.
func reader(t *testing.T, build, accepts string) *generation {
	t.Helper()
	return newGeneration(t, fmt.Sprintf(schemaYAML, "keep/"+build, accepts), func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Start:
			*m = append(memo(build), e.Point...)
			v.SetTimer(1, int64(time.Second))
		case *abi.Timer:
			if was := string((*m)[:1]); was != build && !strings.Contains(accepts, "keep/"+was) {
				return sdk.Fail(abi.ESTATE, "cannot read "+string(*m))
			}
			*m = append(memo(build), (*m)[1:]...)
		}
		return nil
	})
}

// TestSampleHasItsOwnState: an event that a session answered before its state was in a newer
// schema is not shown to a build that reads the newer one alone.
func TestSampleHasItsOwnState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		for i, g := range []*generation{reader(t, "1", ""), reader(t, "2", "keep/1"), reader(t, "3", "keep/2")} {
			if err := runner.Enable(g); err != nil {
				t.Fatalf("build %d: %v", i+1, err)
			}
			if i == 0 {
				runner.start(point.New(point.Options{Name: "p", URL: "keep:x"}, nil))
			} else {
				time.Sleep(2 * time.Second) // the tick finds state 1 and leaves state 2
			}
			synctest.Wait()
		}
		r.room.Close()
	})
}

// TestSamplesOfAllWorkers: what several workers have kept of one kind is shown once, the
// latest, and no more than a bound of all kinds.
func TestSamplesOfAllWorkers(t *testing.T) {
	r := newRig(t, false)
	runner, err := r.room.Add(PluginOptions{Name: "many", Instances: 8})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i, w := range runner.all() {
		w.do(func() {
			for k := range maxSamples {
				e := &abi.HTTPRequest{Path: fmt.Appendf(nil, "/%d/%d", i*min(k, 1), k)} // the first kind is all workers'
				w.samples.all = append(w.samples.all, sample{key: w.samples.keyOf(e), op: e.Op(), at: now.Add(time.Duration(i) * time.Second), frame: []byte{byte(i), byte(k)}})
			}
		})
	}
	all := runner.samples()
	if len(all) != maxShown || all[0].frame[0] != 7 {
		t.Errorf("%d samples, the first of worker %d", len(all), all[0].frame[0])
	}
	shared := 0
	for _, x := range all {
		if x.frame[1] == 0 {
			shared++
		}
	}
	if shared != 1 {
		t.Errorf("what all workers have kept is shown %d times", shared)
	}
}

// TestCanaryIsShown: an event that a new build fails on is shown to the operator, is no part
// of a recording, and there is a way to put the build in force all the same.
func TestCanaryIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		if err := runner.Enable(starter(t, 0, seen)); err != nil {
			t.Fatal(err)
		}
		runner.start(point.New(point.Options{Name: "a0", URL: "keep:x"}, nil))
		synctest.Wait()
		tap, to := new(record.Tap), record.NewRecorder(record.Options{Plugin: "keeper"})
		if err := tap.Start(to); err != nil {
			t.Fatal(err)
		}
		bad := starter(t, 1, seen)
		err := runner.Enable(record.Wrap(bad, tap))
		if _, is := errors.AsType[*CanaryError](err); !is || !strings.Contains(err.Error(), "weir faults keeper --full") || !strings.Contains(err.Error(), "disable") {
			t.Fatal(err)
		}
		tap.Stop(to)
		var file strings.Builder
		if _, err := to.Copy(t.Context(), &file); err != nil || strings.Contains(file.String(), "a0") {
			t.Errorf("the recording has the event: %v", err)
		}
		all := runner.Faults()
		if len(all) != 1 || all[0].Fault.During != "START" || len(all[0].Fault.Frame) == 0 || all[0].Build != record.BuildOf(bad) || runner.Status().Faults != 0 {
			t.Errorf("%+v", all)
		}
		runner.Disable("to force it")
		if err := runner.Enable(starter(t, 1, seen)); err != nil {
			t.Error(err)
		}
		r.room.Close()
	})
}

// TestGrantIsCut: what comes back may do no more than it asks for.
func TestGrantIsCut(t *testing.T) {
	if g := everything.cut(&manifest.Manifest{Capabilities: []manifest.Capability{manifest.CapRead}}); g.Read == nil ||
		g.Attach != nil || g.Publish != nil || g.Listen != nil || g.Group != nil || g.Documents {
		t.Errorf("%+v", g)
	}
	if g := (&Grant{}).cut(&manifest.Manifest{Capabilities: []manifest.Capability{manifest.CapRead, manifest.CapDocuments}}); g.Read != nil || g.Documents {
		t.Errorf("%+v", g)
	}
}
