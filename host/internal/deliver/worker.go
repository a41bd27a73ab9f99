package deliver

import (
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

const (
	readBytes  = 16 << 10 // chosen; input is commands
	readsAtOne = 16       // chosen: then others have their turn
	// sweepEvery is how often viewers with a full socket are looked at. Chosen.
	sweepEvery = 500 * time.Millisecond
	// releaseEvery is how often held viewers are. Chosen: each keeps a chunk of the log
	// that long at most, and a look at ten thousand viewers takes 1 ms.
	releaseEvery = 10 * sweepEvery
)

// slot is a viewer's place in its worker's table. turn tells an event that was
// meant for the place's last viewer from one for the present.
type slot struct {
	viewer *Viewer
	turn   uint32
}

// worker owns its viewers and feeds, and all else of it that is not shared.
type worker struct {
	options *Options
	ledger  *ledger
	number  int // of its tally in the ledger
	poller  *poller
	start   time.Time // origin of all its times
	clock   func() time.Duration
	turns   turns
	table
	feeds []*feed
	byLog map[audience]*feed
	queue
	input  []byte
	convoy convoy // of the part of a round under way
	udp    udpWorker
	shared
}

// shared is what other goroutines use of a worker.
type shared struct {
	inbox  inbox
	poked  atomic.Bool
	stop   atomic.Bool
	totals totals
}

// table has a worker's viewers, but for those of UDP.
type table struct {
	slots []slot
	free  []uint32
}

// queue has viewers that are to be served, or read, before the worker waits. Those in
// bursts have joined and not caught up yet; they wait while others join.
type queue struct{ again, bursts line }

// line is viewers in the order in which they came.
type line struct{ viewers, spare []*Viewer }

func newWorker(o *Options, b *ledger, number int) (*worker, error) {
	p, err := openPoller()
	if err != nil {
		return nil, err
	}
	w := &worker{
		options: o, ledger: b, number: number, poller: p, start: time.Now(),
		byLog: make(map[audience]*feed), input: make([]byte, readBytes),
	}
	w.clock = func() time.Duration { return time.Since(w.start) }
	w.udp.worker = w
	return w, nil
}

// turns is where the worker goes on in its next turn.
type turns struct {
	letters *letter // not carried out yet, oldest first
	feed    int     // whose round, or part of one, is next
	swept   time.Duration
	freed   time.Duration // when held viewers were looked at
	load    time.Duration // what the rounds of all active feeds cost, once each
	joined  time.Duration // the last turn that had letters
	crowd   time.Duration // the first of those that came one after the other
	served  time.Duration // the last that went on with bursts
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
		until, block := w.nextTurn(w.clock())
		if !block {
			w.poller.yield()
		}
		events := w.poller.wait(until, block)
		w.poked.Store(false)
		w.turn(events, w.clock())
	}
	now := w.clock()
	for _, l := range []*letter{w.turns.letters, w.inbox.seal()} {
		for ; l != nil; l = l.next {
			w.apply(l, now)
		}
	}
	for i := range w.slots {
		if v := w.slots[i].viewer; v != nil {
			w.finish(v, Shutdown)
		}
	}
	w.udp.close()
	w.poller.close()
}

// nextTurn tells until when the worker may wait, and whether it may.
func (w *worker) nextTurn(now time.Duration) (until time.Time, block bool) {
	pause := w.pause(now)
	busy := len(w.again.viewers) > 0 || len(w.bursts.viewers) > 0 && pause == 0 || w.turns.letters != nil
	var next time.Duration
	w.turns.load = 0
	for _, f := range w.feeds {
		if f.walk.ticking || now-f.walk.began < activeFor {
			w.turns.load += f.walk.cost
		}
		if f.walk.ticking {
			busy = busy || f.walk.left > 0
			if next == 0 || f.walk.due < next {
				next = f.walk.due
			}
		} else if f.armed.Load() {
			busy = true // the rounds of others have used up the turn
		} else if f.rests && (next == 0 || f.restDue() < next) {
			next = f.restDue()
		}
	}
	if busy {
		return until, false
	}
	if sweep := w.turns.swept + sweepEvery; w.totals.waiting.Load() > 0 && (next == 0 || sweep < next) {
		next = sweep
	}
	if pause > 0 && (next == 0 || now+pause < next) {
		next = now + pause
	}
	if due := w.udp.due; due != 0 && (next == 0 || due < next) {
		next = due
	}
	if next == 0 {
		return until, true
	}
	return w.start.Add(next), next > now
}

// turn does everything that is to be done now.
func (w *worker) turn(events []event, now time.Duration) {
	for _, e := range events {
		w.happened(e, now)
	}
	if w.letters(now) {
		w.turns.noteJoin(now)
	}
	w.rounds(now)
	w.serveAgain(now)
	w.udp.turn(now)
	for _, f := range w.feeds {
		f.flush()
	}
	if now-w.turns.swept >= sweepEvery {
		w.turns.swept = now
		w.sweep(now)
	}
	if now-w.turns.freed >= releaseEvery {
		w.turns.freed = now
		w.release()
	}
}

// letters carries out orders, in their order, for the time of one part, and tells whether
// there were any.
func (w *worker) letters(now time.Duration) bool {
	t := &w.turns
	if t.letters == nil {
		t.letters = w.inbox.take()
	}
	if t.letters == nil {
		return false
	}
	until := w.clock() + partTime
	for n := 1; t.letters != nil; n++ {
		l := t.letters
		t.letters = l.next
		w.apply(l, now)
		if n%clockLetters == 0 && w.clock() >= until {
			break
		}
	}
	if t.letters == nil { // those that came meanwhile have poked for this turn
		t.letters = w.inbox.take()
	}
	return true
}

func (w *worker) happened(e event, now time.Duration) {
	if e.slot&udpSlots != 0 {
		w.udp.happened(e.slot)
		return
	}
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
		w.enqueue(v)
	}
}

// read takes the peer's input. It tells whether the viewer is still there.
func (w *worker) read(v *Viewer) bool {
	for range readsAtOne {
		n, r := receive(int(v.fd), w.input)
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
		q := &w.again
		if v.state.grace > 0 {
			q = &w.bursts
		}
		q.viewers = append(q.viewers, v)
	}
}

// serveAgain goes on with viewers that had used up their share of a turn, and with those
// whose sockets take something again.
func (w *worker) serveAgain(now time.Duration) {
	w.serveLine(&w.again, now)
	if len(w.bursts.viewers) > 0 && w.pause(now) == 0 {
		w.turns.served = now
		w.serveLine(&w.bursts, now)
	}
}

// serveLine serves viewers of a line for the time of one part. Who is not done goes to its end.
func (w *worker) serveLine(q *line, now time.Duration) {
	list := q.viewers
	if len(list) == 0 {
		return
	}
	q.viewers = q.spare[:0]
	until := w.clock() + partTime
	done := 0
	for ; done < len(list) && w.clock() < until; done++ {
		v := list[done]
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
	n := copy(list, list[done:])
	clear(list[n:])
	served := q.viewers
	q.viewers = append(list[:n], served...)
	clear(served)
	q.spare = served[:0]
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
		case now-v.fullSince >= w.options.Stall:
			w.finish(v, Stalled)
		default:
			v.feed.tally.late(v.feed.log.Length() - media.Time(v.count.run.Load()))
			w.checkLag(v)
		}
	}
}

// release has held viewers let go of what their logs have dropped.
func (w *worker) release() {
	for i := range w.slots {
		if v := w.slots[i].viewer; v != nil && v.state.held {
			w.releaseHeld(v)
		}
	}
}
