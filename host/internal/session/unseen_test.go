package session

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/record"
	"github.com/weir-media/weir/host/internal/point"
)

// TestReplaceUnseen: who insists puts a build in force that fails on what was answered; and
// a plugin that was disabled has nothing to show to the next build.
func TestReplaceUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		if err := runner.Enable(starter(t, 0, seen)); err != nil {
			t.Fatal(err)
		}
		runner.start(point.New(point.Options{Name: "a0", URL: "keep:x"}, nil))
		synctest.Wait()
		if n := len(runner.samples()); n == 0 {
			t.Fatal("nothing was kept")
		}
		bad := starter(t, 1, seen)
		always := func() error { return nil }
		err := runner.Enable(bad)
		if _, is := errors.AsType[*CanaryError](err); !is || !strings.Contains(err.Error(), "weir plugin reload keeper --force") {
			t.Fatal(err)
		}
		if err := runner.ReplaceUnseen(bad, everything, []byte("{}"), always); err != nil || runner.Generation() != bad {
			t.Errorf("%v", err)
		}
		runner.Disable("for a while")
		if n := len(runner.samples()); n > 0 {
			t.Errorf("%d samples are left", n)
		}
		r.room.Close()
	})
}

// TestRefusedStartIsKept: a build that does not start aside leaves its fault, whoever tried
// it, and changes nothing.
func TestRefusedStartIsKept(t *testing.T) {
	r := newRig(t, false)
	runner := r.add(starterYAML, nil)
	was := runner.Generation()
	barren := newGeneration(t, starterYAML, nil)
	barren.barren.Store(true)
	for name, try := range map[string]func() error{
		"reload": func() error { return runner.Enable(barren) },
		"apply":  func() error { _, err := runner.Prepare(barren, everything, []byte(`{"a":1}`)); return err },
	} {
		before := len(runner.Faults())
		err := try()
		no, is := errors.AsType[*StartError](err)
		if !is || !strings.Contains(err.Error(), "barren; see it with: weir faults keeper --full") || runner.Generation() != was {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all := runner.Faults()
		if len(all) != before+1 || !all[0].Aside || all[0].Fault != no.Fault || all[0].Build != record.BuildOf(barren) || len(all[0].Config) == 0 {
			t.Errorf("%s: %+v", name, all)
		}
	}
	said := &StartError{"keeper", &plugin.Fault{Kind: plugin.Start, Cause: errors.New("trap"), Log: "INFO panic: not today\nINFO goroutine 1\n"}}
	if text := said.Error(); !strings.Contains(text, "trap: panic: not today; see it") {
		t.Error(text)
	}
}
