package session

import (
	"container/heap"
	"slices"
	"time"
)

// timers is a worker's heap of things to do later. The zero value is empty.
type timers struct {
	heap timerHeap
	next uint64
	live map[uint64]func() // what they do; a cancelled one holds nothing
}

type timer struct {
	when time.Time
	id   uint64
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].when.Before(h[j].when) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are heap.Interface's.
func (h *timerHeap) Push(x any) { *h = append(*h, x.(timer)) }

// Pop takes the last element off.
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = timer{}
	*h = old[:len(old)-1]
	return t
}

// add has f run at when; the number takes it back.
func (t *timers) add(when time.Time, f func()) uint64 {
	if t.live == nil {
		t.live = map[uint64]func(){}
	}
	t.next++
	t.live[t.next] = f
	heap.Push(&t.heap, timer{when, t.next})
	return t.next
}

// cancel takes a timer back. The heap is cleared of those once they are most of it.
func (t *timers) cancel(id uint64) {
	delete(t.live, id)
	if len(t.heap) < 64 || len(t.heap) < 2*len(t.live) {
		return
	}
	t.heap = slices.DeleteFunc(t.heap, func(x timer) bool { return t.live[x.id] == nil })
	heap.Init(&t.heap)
}

// maxSleep bounds how long a worker with nothing to do sleeps (chosen; nothing
// depends on it).
const maxSleep = time.Hour

// fire runs what is due and gives the time to the next. Worker.
func (w *worker) fire(now time.Time) time.Duration {
	for len(w.timers.heap) > 0 {
		t := w.timers.heap[0]
		f := w.timers.live[t.id]
		if f == nil {
			heap.Pop(&w.timers.heap)
			continue
		}
		if wait := t.when.Sub(now); wait > 0 {
			return min(wait, maxSleep)
		}
		heap.Pop(&w.timers.heap)
		delete(w.timers.live, t.id)
		f()
	}
	return maxSleep
}
