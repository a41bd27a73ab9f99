package session

import (
	"fmt"
	"testing"

	"github.com/weir-media/weir/abi/v1"
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
			runner.post(func() {
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
		runner.do(func() { round++ }) // the handler reads it
	}
}
