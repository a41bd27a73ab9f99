package inproc

import (
	"errors"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
)

// teller answers a timer's event with a close, and panics at the tag 13.
func teller() *sdk.Plugin {
	return sdk.New(nil, func(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
		timer, ok := e.(*abi.Timer)
		if !ok {
			return abi.ENOSYS
		}
		if timer.ID == 13 {
			panic("thirteen")
		}
		return nil
	})
}

func opened(t *testing.T) plugin.Instance {
	t.Helper()
	g := Open(Options{Name: "teller", Manifest: &manifest.Manifest{Name: "teller"}, New: teller})
	i, f := g.New()
	if f != nil || g.Carrier() != Carrier || g.Limits().Event != plugin.DefaultEvent {
		t.Fatalf("%v, %s, %+v", f, g.Carrier(), g.Limits())
	}
	t.Cleanup(i.Close)
	return i
}

func frame(t *testing.T, id uint32) []byte {
	t.Helper()
	var w abi.Writer
	w.Reset(make([]byte, abi.MinInbox))
	if err := w.Put(7, 0, &abi.Timer{ID: id}); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestFaults: what is wrong with a call is a fault, as in a sandbox; a panic is the instance's end and not the host's.
func TestFaults(t *testing.T) {
	i := opened(t)
	var code *plugin.CodeError
	if _, f := i.Call(0, make([]byte, i.Inbox()+1)); f == nil || f.Kind != plugin.Protocol || !errors.As(f.Cause, &code) || code.Code != abi.ETOOBIG {
		t.Errorf("a frame that is too large: %v", f)
	}
	if _, f := i.Call(0, []byte("no frame")); f == nil || f.Kind != plugin.Protocol || !errors.As(f.Cause, &code) || code.Code != abi.EINVAL {
		t.Errorf("what is no frame: %v", f)
	}
	if _, f := i.Call(0, frame(t, 1)); f != nil {
		t.Errorf("%+v", f)
	}
	if _, f := i.Call(0, frame(t, 13)); f == nil || f.Kind != plugin.Trap || !strings.Contains(f.Stack, "teller") || len(f.Frame) == 0 {
		t.Errorf("a panic: %+v", f)
	}
	if _, f := i.Call(0, frame(t, 1)); f == nil {
		t.Error("the instance lives on")
	}
}

func TestCallAllocations(t *testing.T) {
	i, b := opened(t), frame(t, 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = i.Call(0, b) }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}
