package session

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestTimersModel compares the heap with a list.
func TestTimersModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Unix(1000, 0)
	r := &worker{}
	type entry struct {
		id   uint64
		when time.Time
	}
	var want []entry
	var fired []uint64
	now := start
	for range 20_000 {
		switch random.IntN(3) {
		case 0:
			when := now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			var id uint64
			id = r.timers.add(when, func() { fired = append(fired, id) })
			want = append(want, entry{id, when})
		case 1:
			if len(want) > 0 {
				i := random.IntN(len(want))
				r.timers.cancel(want[i].id)
				want = slices.Delete(want, i, i+1)
			}
		default:
			now = now.Add(time.Duration(random.IntN(20)) * time.Millisecond)
			fired = fired[:0]
			wait := r.fire(now)
			next := maxSleep
			left := want[:0:0]
			due := 0
			for _, e := range want {
				if e.when.After(now) {
					left = append(left, e)
					next = min(next, e.when.Sub(now))
					continue
				}
				due++
				if !slices.Contains(fired, e.id) {
					t.Fatalf("timer %d was due and did not run", e.id)
				}
			}
			want = left
			if due != len(fired) || wait != next {
				t.Fatalf("%d ran of %d due; next in %v, want %v", len(fired), due, wait, next)
			}
		}
		if n := len(r.timers.heap); n > 64+2*len(want) {
			t.Fatalf("%d timers are kept for %d", n, len(want))
		}
	}
}

// TestTimersInOrder: what is due together runs by its time.
func TestTimersInOrder(t *testing.T) {
	r := &worker{}
	now := time.Unix(1000, 0)
	var got []int
	for _, i := range []int{3, 1, 2, 0} {
		r.timers.add(now.Add(time.Duration(i)*time.Second), func() { got = append(got, i) })
	}
	r.timers.add(now, func() { r.timers.add(now, func() { got = append(got, 9) }) })
	r.fire(now.Add(time.Minute))
	if !slices.Equal(got, []int{0, 9, 1, 2, 3}) && !slices.Equal(got, []int{9, 0, 1, 2, 3}) {
		t.Error(got)
	}
}
