package proc

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestSpent: what processes take of the processor is counted while they live and stays counted when they are gone, the killed one's too.
func TestSpent(t *testing.T) {
	o, _ := options(t)
	o.Limits.Event = 200 * time.Millisecond
	o.Spent = &Spent{}
	g := opened(t, o)
	first := o.Spent.CPU()
	if first <= 0 {
		t.Errorf("a program that has started has taken %v", first)
	}
	i, f := g.New()
	if f != nil {
		t.Fatalf("%+v", f)
	}
	if _, f = i.Call(0, request("spin")); f == nil || f.Kind != plugin.Deadline {
		t.Fatalf("%v", f)
	}
	i.Close()
	spun := o.Spent.CPU()
	if spun-first < o.Limits.Event/2 { // a busy machine may give it less than its limit
		t.Errorf("before it spun %v, then %v", first, spun)
	}
	if i, f = g.New(); f != nil { // in the next process
		t.Fatalf("%+v", f)
	}
	next := o.Spent.CPU()
	i.Close()
	g.Close()
	if last := o.Spent.CPU(); next < spun || last < next {
		t.Errorf("%v, in the next process %v, after it %v", spun, next, last)
	}
	if n := len(o.Spent.living); n != 0 {
		t.Errorf("%d processes are counted as living", n)
	}
}
