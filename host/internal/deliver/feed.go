package deliver

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// feed is one log's viewers on one worker. The log's writer arms it; from then on
// the worker serves its viewers every latency, until a round finds nothing new.
// Only armed, urgent and walked are shared with the writer.
type feed struct {
	worker  *worker
	log     *stream.Log
	live    []*Viewer // those to be served when the log grows
	viewers int       // all, with those aside
	latency time.Duration
	due     time.Duration // of the next round, while ticking
	ticking bool
	ended   bool // a round has seen the end

	armed  atomic.Bool
	urgent atomic.Bool   // a batch is full before the round is due
	walked atomic.Uint64 // the log's Written at the last round
}

// Wake is called by the log's writer.
func (f *feed) Wake(l *stream.Log) {
	if f.armed.Load() {
		full := l.Written()-f.walked.Load() >= uint64(f.worker.options.BatchBytes)
		if !full || f.urgent.Load() || f.urgent.Swap(true) {
			return
		}
	} else if f.armed.Swap(true) {
		return
	}
	f.worker.poke()
}

// fresh tells whether the log has something that no round has seen.
func (f *feed) fresh() bool {
	return f.log.Written() != f.walked.Load() || f.log.Ended() != f.ended
}

// round serves the live viewers if there is something new, else it disarms.
func (f *feed) round(now time.Duration) {
	f.urgent.Store(false)
	if !f.fresh() {
		f.ticking = false
		f.armed.Store(false)
		if !f.fresh() || f.armed.Swap(true) {
			return
		}
		f.ticking = true
	}
	f.ended = f.log.Ended()
	f.walked.Store(f.log.Written())
	for i := len(f.live) - 1; i >= 0; i-- { // serve may take the i-th out
		f.worker.serve(f.live[i], now)
	}
	f.due += f.latency
	if f.due < now {
		f.due = now + f.latency
	}
}

func (f *feed) enter(v *Viewer) {
	if v.place == aside {
		v.place = len(f.live)
		f.live = append(f.live, v)
	}
}

func (f *feed) setAside(v *Viewer) {
	if v.place == aside {
		return
	}
	last := len(f.live) - 1
	f.live[v.place] = f.live[last]
	f.live[v.place].place = v.place
	f.live[last] = nil
	f.live = f.live[:last]
	v.place = aside
}

// join puts a viewer on the feed of its log, which it makes if need be.
func (w *worker) join(v *Viewer, l *stream.Log) {
	f := w.byLog[l]
	if f == nil {
		f = &feed{worker: w, log: l, latency: v.rules.latency}
		f.walked.Store(l.Written())
		w.byLog[l] = f
		w.feeds = append(w.feeds, f)
		l.AddWaker(f)
	}
	f.latency = min(f.latency, v.rules.latency)
	f.viewers++
	v.feed = f
	v.count.log.Store(l)
}

// leave takes a viewer off its feed and ends the feed after its last viewer.
func (w *worker) leave(v *Viewer) {
	f := v.feed
	f.setAside(v)
	v.feed = nil
	if f.viewers--; f.viewers > 0 {
		return
	}
	f.log.RemoveWaker(f)
	delete(w.byLog, f.log)
	i := slices.Index(w.feeds, f)
	w.feeds = slices.Delete(w.feeds, i, i+1)
}
