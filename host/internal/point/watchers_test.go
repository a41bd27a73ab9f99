package point

import (
	"slices"
	"testing"
)

type inOrder struct {
	number int
	told   *[]int
}

func (w *inOrder) Changed(*Point) { *w.told = append(*w.told, w.number) }

// TestWatchersInOrder: they are told in the order in which they came.
func TestWatchersInOrder(t *testing.T) {
	p := push("live")
	defer p.Close()
	var told, want []int
	all := make([]Watcher, 100)
	for i := range all {
		all[i] = &inOrder{i, &told}
		p.Watch(all[i])
	}
	for i := range all[:50] {
		p.Unwatch(all[i])
	}
	for i := range all[:50] {
		p.Watch(all[i])
	}
	p.Expect()
	for i := range all {
		want = append(want, (i+50)%len(all))
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	for _, w := range all {
		p.Unwatch(w)
	}
}

// crowd is a point with so many watchers.
func crowd(n int) *Point {
	p := push("live")
	for range n {
		p.Watch(&watcher{})
	}
	return p
}

// TestWatchIsCheapInACrowd: each viewer watches its point for a moment, and must not pay
// for the others.
func TestWatchIsCheapInACrowd(t *testing.T) {
	p, w := crowd(10_000), &watcher{}
	if n := testing.AllocsPerRun(1000, func() { p.Watch(w); p.Unwatch(w) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWatch(b *testing.B) {
	p, w := crowd(10_000), &watcher{}
	b.ReportAllocs()
	for b.Loop() {
		p.Watch(w)
		p.Unwatch(w)
	}
}
