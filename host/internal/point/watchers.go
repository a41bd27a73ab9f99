package point

import (
	"cmp"
	"slices"
)

// Watcher hears of changes of a point: its state, source and renditions. Changed is
// called without the point's lock; it must not block. It must be comparable.
type Watcher interface{ Changed(p *Point) }

// Bell is a Watcher that holds one note of whatever has changed since it was last received
// from. NewBell makes one.
type Bell chan struct{}

// NewBell makes a Bell.
func NewBell() Bell { return make(Bell, 1) }

// Changed implements Watcher.
func (b Bell) Changed(*Point) {
	select {
	case b <- struct{}{}:
	default:
	}
}

// watchers are as many as viewers, who come and go more often than a point changes: so
// only a change costs by their number. The zero value is none.
type watchers struct {
	numbers map[Watcher]uint64 // in the order in which they came
	last    uint64
}

func (x *watchers) add(w Watcher) {
	if _, ok := x.numbers[w]; ok {
		return
	}
	if x.numbers == nil {
		x.numbers = map[Watcher]uint64{}
	}
	x.last++
	x.numbers[w] = x.last
}

func (x *watchers) remove(w Watcher) { delete(x.numbers, w) }

// list gives them in the order in which they came. It is the caller's.
func (x *watchers) list() []Watcher {
	type numbered struct {
		w Watcher
		n uint64
	}
	sorted := make([]numbered, 0, len(x.numbers))
	for w, n := range x.numbers {
		sorted = append(sorted, numbered{w, n})
	}
	slices.SortFunc(sorted, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	all := make([]Watcher, len(sorted))
	for i := range sorted {
		all[i] = sorted[i].w
	}
	return all
}
