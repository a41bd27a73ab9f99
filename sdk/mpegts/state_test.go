package mpegts

import (
	"bytes"
	"slices"
	"testing"
)

func TestStateRoundTrip(t *testing.T) {
	for _, name := range samples {
		b := read(t, name)
		var d, e Demux
		each(b, func(p []byte) {
			state, err := d.AppendBinary(nil)
			if err != nil || len(state) > MaxStateSize {
				t.Fatal(len(state), err)
			}
			if err := e.UnmarshalBinary(state); err != nil {
				t.Fatal(err)
			}
			again, _ := e.AppendBinary([]byte("x"))
			if string(again[1:]) != string(state) {
				t.Fatal("state differs")
			}
			if x, y := d.Feed(p), e.Feed(p); x != y {
				t.Fatalf("%+v, %+v", x, y)
			}
		})
		state, _ := d.AppendBinary(nil)
		for n := 1; n < len(state); n++ {
			if err := e.UnmarshalBinary(state[:n]); err == nil || e != (Demux{}) {
				t.Fatalf("%d bytes of a state were taken", n)
			}
		}
		if e.UnmarshalBinary(nil) != nil || e != (Demux{}) {
			t.Error("empty state")
		}
	}
}

func TestRebase(t *testing.T) {
	for _, name := range samples {
		for _, delta := range []int64{0, 1, -1, 900_000, -500_000_000, wrap / 2, 3*wrap + 5} {
			var d, e Demux
			var out Patches
			times := 0
			each(read(t, name), func(p []byte) {
				moved := slices.Clone(p)
				Rebase(p, delta, &out)
				ApplyPatches(moved, out.List())
				x, y := d.Feed(p), e.Feed(moved)
				if x.HasTime != y.HasTime || x.HasPCR != y.HasPCR || x.Key != y.Key {
					t.Fatalf("%+v, %+v", x, y)
				}
				if (y.PTS-x.PTS-delta)%wrap != 0 && x.HasTime || (y.DTS-x.DTS-delta)%wrap != 0 && x.HasTime || (y.PCR-x.PCR-delta)%wrap != 0 && x.HasPCR {
					t.Fatalf("%+v, %+v, delta %d", x, y, delta)
				}
				times += len(out.List())
				Rebase(moved, -delta, &out)
				ApplyPatches(moved, out.List())
				if !bytes.Equal(p, moved) {
					t.Fatalf("back again: \n%x\n%x", p, moved)
				}
			})
			if times < 12 { // audio.ts has the fewest
				t.Errorf("%s: %d times", name, times)
			}
		}
	}
	var out Patches
	if Rebase([]byte("no packet"), 1, &out); len(out.List()) != 0 {
		t.Error("patches of nothing")
	}
}

func TestAllocates(t *testing.T) {
	b := read(t, "mpeg2.ts")
	var d Demux
	var out Patches
	state := make([]byte, 0, MaxStateSize)
	if n := testing.AllocsPerRun(20, func() {
		each(b, func(p []byte) {
			d.Feed(p)
			Rebase(p, 7, &out)
		})
		state, _ = d.AppendBinary(state[:0])
		if d.UnmarshalBinary(state) != nil {
			t.Fatal("state")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
