package session

import (
	"testing"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestReportsAreBounded: the last faults are kept; the frames of the oldest go first, and
// a report that somebody reads does not change.
func TestReportsAreBounded(t *testing.T) {
	var r reports
	const frame = keptFrames / 4
	first := &FaultReport{ID: 1, Fault: &plugin.Fault{Frame: make([]byte, frame)}}
	r.add(first)
	for i := uint64(2); i <= 3*keptFaults; i++ {
		r.add(&FaultReport{ID: i, Fault: &plugin.Fault{Frame: make([]byte, frame), Stack: "stack"}})
	}
	if len(r.all) != keptFaults || r.all[0].ID != 2*keptFaults+1 || r.all[keptFaults-1].ID != 3*keptFaults {
		t.Fatalf("%d reports", len(r.all))
	}
	held := 0
	for i, f := range r.all {
		held += len(f.Fault.Frame)
		if has := len(f.Fault.Frame) > 0; has != (i >= keptFaults-4) || f.Fault.Stack != "stack" {
			t.Errorf("report %d of %d: frame %v, stack %q", i, keptFaults, has, f.Fault.Stack)
		}
	}
	if held != r.frames || held != keptFrames {
		t.Errorf("%d bytes held, %d counted", held, r.frames)
	}
	if len(first.Fault.Frame) != frame {
		t.Error("a report was changed while it was read")
	}
}
