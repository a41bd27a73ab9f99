package deliver

import (
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

const (
	readBytes  = 16 << 10 // chosen; input is commands
	readsAtOne = 16       // chosen: then others have their turn
	// sweepEvery is how often viewers with a full socket are looked at. Chosen.
	sweepEvery = 500 * time.Millisecond
)

// slot is a viewer's place in its worker's table. turn tells an event that was
// meant for the place's last viewer from one for the present.
type slot struct {
	viewer *Viewer
	turn   uint32
}

// worker owns its viewers and feeds. inbox, poked, stop and totals are shared.
type worker struct {
	options *Options
	poller  *poller
	start   time.Time // origin of all its times
	slots   []slot
	free    []uint32
	feeds   []*feed
	byLog   map[*stream.Log]*feed
	again   []*Viewer // to be served, or read, before the next wait
	spare   []*Viewer
	swept   time.Duration
	input   []byte

	inbox  inbox
	poked  atomic.Bool
	stop   atomic.Bool
	totals totals
}

func newWorker(o *Options) (*worker, error) {
	p, err := openPoller()
	if err != nil {
		return nil, err
	}
	return &worker{
		options: o, poller: p, start: time.Now(),
		byLog: make(map[*stream.Log]*feed), input: make([]byte, readBytes),
	}, nil
}

// poke makes the worker look at its inbox and its feeds.
func (w *worker) poke() {
	if !w.poked.Load() && !w.poked.Swap(true) {
		w.poller.wake()
	}
}

// loop owns all of the worker that is not marked shared, until the pool stops.
func (w *worker) loop() {
	for !w.stop.Load() {
		until, block := w.nextTurn()
		events := w.poller.wait(until, block)
		w.poked.Store(false)
		w.turn(events, time.Since(w.start))
	}
	now := time.Since(w.start)
	for l := w.inbox.seal(); l != nil; l = l.next {
		w.apply(l, now)
	}
	for i := range w.slots {
		if v := w.slots[i].viewer; v != nil {
			w.finish(v, Shutdown)
		}
	}
	w.poller.close()
}

// nextTurn tells until when the worker may wait, and whether it may.
func (w *worker) nextTurn() (until time.Time, block bool) {
	if len(w.again) > 0 {
		return until, false
	}
	var next time.Duration
	for _, f := range w.feeds {
		if f.ticking && (next == 0 || f.due < next) {
			next = f.due
		}
	}
	if sweep := w.swept + sweepEvery; w.totals.waiting.Load() > 0 && (next == 0 || sweep < next) {
		next = sweep
	}
	if next == 0 {
		return until, true
	}
	return w.start.Add(next), true
}

// turn does everything that is to be done now.
func (w *worker) turn(events []event, now time.Duration) {
	for _, e := range events {
		w.happened(e, now)
	}
	for l := w.inbox.take(); l != nil; {
		next := l.next
		w.apply(l, now)
		l = next
	}
	for i := len(w.feeds) - 1; i >= 0; i-- { // a round may take the i-th out
		f := w.feeds[i]
		if !f.armed.Load() {
			continue
		}
		if !f.ticking {
			f.ticking, f.due = true, now+f.latency
		}
		if f.urgent.Load() {
			f.due = now
		}
		if f.due <= now {
			f.round(now)
		}
	}
	w.serveAgain(now)
	if now-w.swept >= sweepEvery {
		w.swept = now
		w.sweep(now)
	}
}

func (w *worker) happened(e event, now time.Duration) {
	s := &w.slots[e.slot]
	v := s.viewer
	if v == nil || s.turn != e.turn {
		return
	}
	if (e.input || e.ended) && !w.read(v) {
		return
	}
	if e.ended {
		w.finish(v, PeerClosed)
		return
	}
	if e.output && v.state.blocked {
		w.setBlocked(v, false, now)
		w.serve(v, now)
	}
}

// read takes the peer's input. It tells whether the viewer is still there.
func (w *worker) read(v *Viewer) bool {
	for range readsAtOne {
		n, r := receive(v.fd, w.input)
		switch r {
		case moved:
			if v.sink != nil {
				v.sink.Readable(w.input[:n])
			}
			continue
		case full:
			return true
		case hungUp:
			w.finish(v, PeerClosed)
		case failed:
			w.finish(v, WriteError)
		}
		return false
	}
	v.state.unread = true
	w.enqueue(v)
	return true
}

func (w *worker) enqueue(v *Viewer) {
	if !v.state.queued {
		v.state.queued = true
		w.again = append(w.again, v)
	}
}

// serveAgain goes on with viewers that had used up their share of a turn.
func (w *worker) serveAgain(now time.Duration) {
	list := w.again
	w.again = w.spare[:0]
	for i, v := range list {
		list[i] = nil
		v.state.queued = false
		if v.gone.Load() {
			continue
		}
		if v.state.unread {
			v.state.unread = false
			if !w.read(v) {
				continue
			}
		}
		if !v.state.blocked {
			w.serve(v, now)
		}
	}
	w.spare = list
}

// sweep looks at viewers with a full socket: some are too far behind, and some
// have taken nothing for too long.
func (w *worker) sweep(now time.Duration) {
	if w.totals.waiting.Load() == 0 {
		return
	}
	for i := range w.slots {
		v := w.slots[i].viewer
		switch {
		case v == nil || !v.state.blocked:
		case now-v.state.since >= w.options.Stall:
			w.finish(v, Stalled)
		default:
			w.checkLag(v)
		}
	}
}
