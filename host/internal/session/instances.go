package session

import (
	"slices"
	"time"
)

// SetDrain replaces how long sessions may stay with an older generation, from the next
// reload on; 0: they end at once.
func (r *Runner) SetDrain(d time.Duration) { r.drain.Store(int64(d)) }

// SetDrain replaces how long sessions may stay with an older generation, from the switch
// to this one on; 0: they end at once.
func (c *Candidate) SetDrain(d time.Duration) { c.drain = &d }

// SetInstances changes how many events of different sessions the plugin may handle at
// once, 1 or more. More take new sessions at once; of fewer, those that are too many
// take none, and end with their last session. It gives their packagers, which go on with
// others at their next key packets.
func (r *Runner) SetInstances(n int) (moved []uint64) {
	r.room.switching.Lock()
	defer r.room.switching.Unlock()
	for _, w := range r.resize(n) {
		w.do(func() { moved = append(moved, w.leave()...) })
	}
	return moved
}

// resize gives the workers that are too many.
func (r *Runner) resize(n int) (leaving []*worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = max(n, 1)
	for !r.closed && r.taking < n {
		if r.taking == len(r.workers) {
			w := newWorker(r)
			r.workers = append(r.workers, w)
			w.post(w.begin)
		} else {
			w := r.workers[r.taking]
			w.post(func() { w.leaving = false })
		}
		r.taking++
	}
	for ; r.taking > n; r.taking-- {
		leaving = append(leaving, r.workers[r.taking-1])
	}
	return leaving
}

// begin has a new worker tell its sessions in what is in force. Worker.
func (w *worker) begin() {
	if w.now == nil && w.r.gen.Load() != nil {
		w.now = w.newEra()
		w.warm(w.now, true)
	}
}

// leave has a worker end with its last session. Its packagers, which it gives, go on
// elsewhere. Worker.
func (w *worker) leave() (packagers []uint64) {
	w.leaving = true
	for id, s := range w.sessions {
		if s.links.pack != nil {
			packagers = append(packagers, id)
		}
	}
	w.r.stalls.clear(w)
	w.awaken()
	w.retire()
	return packagers
}

// retire ends a worker that takes no new sessions and has none. Worker.
func (w *worker) retire() {
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.workers, w)
	if !w.leaving || i < r.taking || w.open.Load() > 0 {
		return
	}
	r.workers = slices.Delete(r.workers, i, i+1)
	w.mail.mu.Lock()
	w.mail.stopped = true
	w.mail.mu.Unlock()
}
