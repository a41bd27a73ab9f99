package session

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// TestDraining: a plugin that is being disabled is draining while its sessions are told, refuses who comes meanwhile, and is disabled afterwards, if nobody has
// enabled it in between.
func TestDraining(t *testing.T) {
	r := newRig(t, true)
	var runner *Runner
	answering, seen, round := make(chan struct{}), newRecorder(), 0
	h := func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e.(type) {
		case *abi.HTTPRequest:
			seen.add(fmt.Sprintf("request %d", round))
		case *abi.Stop:
			seen.add(fmt.Sprintf("stop %d while %s: %s", round, runner.State().Phase, runner.State().Reason))
			<-answering
			v.Respond(503, 0, nil, nil)
		}
		return nil
	}
	runner = r.add(sinnerYAML, h)
	at := r.listen()
	for _, again := range []bool{false, true} {
		r.dial(at, fmt.Sprintf(request, "live"))
		seen.wait(t, fmt.Sprintf("request %d", round))
		disabled := make(chan struct{})
		go func() {
			defer close(disabled)
			runner.Disable("a test")
		}()
		if got, want := seen.wait(t, fmt.Sprintf("stop %d", round)), fmt.Sprintf("stop %d while draining: a test", round); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if again { // it is told nothing while it is busy, so this waits until the sessions have been told
			runner.one().post(func() {
				runner.setState(Running, "")
			})
		}
		answering <- struct{}{}
		<-disabled
		want := Disabled
		if again {
			want = Running
		}
		if st := runner.State(); st.Phase != want {
			t.Errorf("afterwards: %+v, want %s", st, want)
		}
		if !again {
			if err := runner.Enable(newGeneration(t, sinnerYAML, h)); err != nil {
				t.Fatal(err)
			}
		}
		runner.one().do(func() { round++ }) // the handler reads it
	}
}

// TestStopAfterFault: all are told to end, in the words of their protocol, even if there
// is no instance at that moment, and if one of them makes the plugin fail by that.
func TestStopAfterFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		g := newGeneration(t, starterYAML, func(m *memo, e abi.Record, _ *sdk.Verdicts) error {
			switch e := e.(type) {
			case *abi.Start:
				*m = append(memo(nil), e.Point...)
			case *abi.Stop:
				if string(*m) == "p3" {
					panic("a stop")
				}
				seen.add("stop " + string(*m))
			}
			return nil
		})
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		const sessions = 200
		for i := range sessions {
			runner.start(point.New(point.Options{Name: fmt.Sprint("p", i), URL: "keep:x"}, nil))
		}
		synctest.Wait()
		w := runner.one()
		w.do(func() { w.dropInstance(w.now) }) // as after a fault
		runner.Disable("a test")
		told := map[string]bool{}
		for _, text := range seen.list() {
			told[text] = true
		}
		if len(told) != sessions-1 {
			t.Errorf("%d were told, want %d", len(told), sessions-1)
		}
		if st := runner.Status(); st.Sessions != 0 || st.Faults != 1 {
			t.Errorf("%d sessions, %d faults", st.Sessions, st.Faults)
		}
		r.room.Close()
	})
}
