package deliver

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// audience is who watches one log by one Attach.By: what is counted together.
type audience struct {
	log *stream.Log
	by  string
}

// feed is one log's viewers on one worker, of one audience. The log's writer arms it; from then on
// the worker serves its viewers every interval, until a round finds nothing new.
// Only armed, urgent and walked are shared with the writer.
type feed struct {
	worker *worker
	audience
	tally   *tally
	live    []*Viewer // those to be served when the log grows
	viewers int       // all, with those aside
	latencies
	walk  walk
	sum   sum
	rules [rulesKept]*rules // of the viewers that came last
	meter meter
	rests bool // a UDP viewer keeps a part of a datagram, which a round in a while sends

	armed  atomic.Bool
	urgent atomic.Bool   // a batch is full before the round is due
	walked atomic.Uint64 // the log's Written at the last round
	pace   pace
}

// pace is the time between a feed's rounds after the last, and when that was, in ns.
type pace struct{ interval, at atomic.Int64 }

func (p *pace) set(interval, at time.Duration) {
	p.interval.Store(int64(interval))
	p.at.Store(int64(at))
}

// Interval implements stream.Paced. It is 0 when there was no round for a while.
func (f *feed) Interval() time.Duration {
	if time.Since(f.worker.start)-time.Duration(f.pace.at.Load()) >= activeFor {
		return 0
	}
	return time.Duration(f.pace.interval.Load())
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
	return f.log.Written() != f.walked.Load() || f.log.Ended() != f.walk.ended
}

func (f *feed) enter(v *Viewer) {
	if v.place == aside {
		v.place = int32(len(f.live))
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
func (w *worker) join(v *Viewer, l *stream.Log, by string) {
	a := audience{l, by}
	f := w.byLog[a]
	if f == nil {
		f = &feed{worker: w, audience: a, tally: w.ledger.open(l).of(by, w.number)}
		f.walked.Store(l.Written())
		w.byLog[a] = f
		w.feeds = append(w.feeds, f)
		l.AddWaker(f)
	}
	f.share(v)
	f.await(v.rules.latency)
	f.viewers++
	f.tally.viewers.Add(1)
	f.tally.attached.Add(1)
	if v.state.blocked {
		f.tally.waiting.Add(1)
	}
	v.feed = f
	v.count.log.Store(l)
}

// leave takes a viewer off its feed and ends the feed after its last viewer.
func (w *worker) leave(v *Viewer) {
	f := v.feed
	f.setAside(v)
	v.feed = nil
	f.tally.viewers.Add(-1)
	if v.state.blocked {
		f.tally.waiting.Add(-1)
	}
	if f.viewers--; f.viewers > 0 {
		f.forget(v.rules.latency)
		return
	}
	f.flush()
	f.log.RemoveWaker(f)
	delete(w.byLog, f.audience)
	i := slices.Index(w.feeds, f)
	w.feeds = slices.Delete(w.feeds, i, i+1)
}

// latencies are what a feed's viewers wait at most: latency is the least.
type latencies struct {
	latency time.Duration
	waits   []wait
}

type wait struct {
	latency time.Duration
	viewers int
}

// await counts a viewer in.
func (p *latencies) await(d time.Duration) {
	i, found := p.find(d)
	if !found {
		p.waits = slices.Insert(p.waits, i, wait{latency: d})
	}
	p.waits[i].viewers++
	p.latency = p.waits[0].latency
}

// forget counts a viewer out, which is not the last.
func (p *latencies) forget(d time.Duration) {
	i, _ := p.find(d)
	if p.waits[i].viewers--; p.waits[i].viewers == 0 {
		p.waits = slices.Delete(p.waits, i, i+1)
	}
	p.latency = p.waits[0].latency
}

// find gives where a latency is among the waits, or belongs.
func (p *latencies) find(d time.Duration) (i int, found bool) {
	return slices.BinarySearchFunc(p.waits, d, func(x wait, d time.Duration) int { return cmp.Compare(x.latency, d) })
}

// rulesKept is how many different rules of a feed are shared. Chosen: a feed's viewers
// come by one plugin, which has few forms of reply.
const rulesKept = 4

// share has a viewer use the rules of another that are the same.
func (f *feed) share(v *Viewer) {
	for _, r := range f.rules {
		if r != nil && r.equal(v.rules) {
			v.rules = r
			return
		}
	}
	copy(f.rules[1:], f.rules[:])
	f.rules[0] = v.rules
}

// sum is what a feed's viewers were sent since its last flush.
type sum struct{ bytes, packets, sends uint64 }

// flush publishes the sum.
func (f *feed) flush() {
	if f.sum == (sum{}) {
		return
	}
	for _, c := range []struct{ bytes, packets, sends *atomic.Uint64 }{
		{&f.tally.bytes, &f.tally.packets, &f.tally.sends},
		{&f.worker.totals.bytes, &f.worker.totals.packets, &f.worker.totals.sends},
	} {
		c.bytes.Add(f.sum.bytes)
		c.packets.Add(f.sum.packets)
		c.sends.Add(f.sum.sends)
	}
	f.sum = sum{}
}
