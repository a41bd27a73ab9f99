package netio

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// flowID is what tells flows apart. It has no padding, so that it is hashed in
// one piece.
type flowID struct {
	remote, local         [16]byte // IPv4 as mapped
	remotePort, localPort uint16
	scope                 uint32 // interface of a link-local IPv6 peer
	payload               uint64 // FlowKey's bytes
}

// flowAge is a flow's place in its table.
type flowAge struct {
	newer, older *Flow
	seen         int64  // when the last datagram came, on the listener's clock
	datagrams    uint32 // up to provenDatagrams
	kept         bool   // by Flow.Keep
}

// provenDatagrams is how many datagrams make a flow one that evicts others, and
// is not evicted by floods of flows that have fewer: chosen.
const provenDatagrams = 3

// evictAfter is how long a proven flow must have been silent to make room for a
// new one: chosen.
const evictAfter = time.Second

// A refused flow's datagrams are dropped unseen for refusedFor; a listener
// remembers maxRefused, forgetting the oldest: chosen.
const (
	refusedFor = 5 * time.Second
	maxRefused = 4096
)

// flowTable is the open flows of a listener. All methods lock it.
type flowTable struct {
	max    int
	counts *udpCounters

	mu      sync.Mutex
	flows   map[flowID]*Flow
	young   flowList // by age, fewer than provenDatagrams
	proven  flowList
	kept    flowList // neither idle nor evicted
	keeps   int      // how many these are
	refused refusals
	stopped bool
}

func newFlowTable(limit int, counts *udpCounters) *flowTable {
	return &flowTable{max: limit, counts: counts, flows: make(map[flowID]*Flow), refused: refusals{at: make(map[flowID]int64)}}
}

// lookup finds the flows of a batch that came by a socket; nil stays where
// there is none, and refused says which of these to drop.
func (t *flowTable) lookup(batch []arrival, by *udpSocket, now int64) {
	t.mu.Lock()
	for i := range batch {
		a := &batch[i]
		a.flow = t.find(&a.id, by, now)
		a.refused = a.flow == nil && t.refused.holds(&a.id, now)
	}
	t.mu.Unlock()
}

func (t *flowTable) find(id *flowID, by *udpSocket, now int64) *Flow {
	f := t.flows[*id]
	if f == nil {
		return nil
	}
	if before := f.from.Load(); before != by && !by.retiring.Load() {
		before.flows.Add(-1)
		by.flows.Add(1)
		f.from.Store(by)
		t.counts.moved.Add(1)
	}
	if f.age.seen < now {
		f.age.seen = now
	}
	list := t.listOf(f)
	list.remove(f)
	if f.age.datagrams < provenDatagrams {
		f.age.datagrams++
		list = t.listOf(f)
	}
	list.push(f)
	return f
}

// opened finds a flow that an earlier arrival of the same batch has opened: what follows
// a flow's first datagram need match no pattern.
func (t *flowTable) opened(id *flowID, by *udpSocket, now int64) *Flow {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.find(id, by, now)
}

func (t *flowTable) listOf(f *Flow) *flowList {
	if f.age.kept {
		return &t.kept
	}
	if f.age.datagrams < provenDatagrams {
		return &t.young
	}
	return &t.proven
}

// add enters f, unless its flow is there already, which is given instead. The
// one that has to make room is the caller's to finish. Neither: drop says why.
func (t *flowTable) add(f *Flow, now int64) (in, evicted *Flow, drop UDPDrop) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := f.from.Load()
	if known := t.find(&f.id, by, now); known != nil {
		return known, nil, 0
	}
	switch {
	case t.stopped:
		return nil, nil, DropClosing
	case t.refused.holds(&f.id, now): // since the batch was looked up
		return nil, nil, DropRefused
	}
	if len(t.flows) >= t.max {
		evicted = t.young.oldest
		if evicted == nil {
			evicted = t.proven.oldest
			if evicted == nil || now-evicted.age.seen < int64(evictAfter) {
				return nil, nil, DropFull
			}
		}
		t.remove(evicted)
	}
	f.age = flowAge{seen: now, datagrams: 1}
	t.flows[f.id] = f
	t.young.push(f)
	by.flows.Add(1)
	t.counts.opened.Add(1)
	return f, evicted, 0
}

// dial enters a flow whose peer has not sent anything; nobody makes room for it.
func (t *flowTable) dial(f *Flow, now int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopped:
		return net.ErrClosed
	case t.flows[f.id] != nil:
		return syscall.EADDRINUSE
	case len(t.flows) >= t.max:
		return ErrTooManyPeers
	}
	f.age = flowAge{seen: now, datagrams: provenDatagrams}
	t.flows[f.id] = f
	t.proven.push(f)
	f.from.Load().flows.Add(1)
	t.counts.opened.Add(1)
	return nil
}

// maxKept is how many flows may be kept: a half, so that others always have room.
func (t *flowTable) maxKept() int { return max(1, t.max/2) }

// keep has a flow stay however long it is silent, or stay no more; its silence counts
// from now on.
func (t *flowTable) keep(f *Flow, on bool, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flows[f.id] != f || f.age.kept == on || on && t.keeps >= t.maxKept() {
		return
	}
	if t.keeps--; on {
		t.keeps += 2
	}
	t.listOf(f).remove(f)
	f.age.kept, f.age.seen = on, max(now, f.age.seen)
	t.listOf(f).push(f)
}

func (t *flowTable) remove(f *Flow) {
	if t.flows[f.id] != f {
		return
	}
	delete(t.flows, f.id)
	t.listOf(f).remove(f)
	if f.age.kept {
		t.keeps--
	}
	f.from.Load().flows.Add(-1)
}

// forget takes an ended flow out.
func (t *flowTable) forget(f *Flow, reason FlowEnd) {
	t.mu.Lock()
	t.remove(f)
	t.mu.Unlock()
	t.counts.ended[reason].Add(1)
}

// refuse takes f out and remembers it as refused.
func (t *flowTable) refuse(f *Flow, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(f)
	t.refused.add(f.id, now)
	t.counts.refusals.Add(1)
}

// idle gives the flows that were last heard at since or before; they are the
// caller's to finish.
func (t *flowTable) idle(since int64) (ended []*Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range []*flowList{&t.young, &t.proven} {
		for f := list.oldest; f != nil && f.age.seen <= since; f = list.oldest {
			t.remove(f)
			ended = append(ended, f)
		}
	}
	return ended
}

// stop admits no more flows; with all, it also gives those there are.
func (t *flowTable) stop(all bool) (rest []*Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if all {
		for _, f := range t.flows {
			rest = append(rest, f)
		}
	}
	return rest
}

func (t *flowTable) size() (flows, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.flows), len(t.refused.at)
}

// flowList is in the order of the last datagrams. The zero value is empty.
type flowList struct{ newest, oldest *Flow }

func (l *flowList) push(f *Flow) {
	f.age.older, f.age.newer = l.newest, nil
	if l.newest != nil {
		l.newest.age.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
}

func (l *flowList) remove(f *Flow) {
	if f.age.newer != nil {
		f.age.newer.age.older = f.age.older
	} else {
		l.newest = f.age.older
	}
	if f.age.older != nil {
		f.age.older.age.newer = f.age.newer
	} else {
		l.oldest = f.age.newer
	}
	f.age.newer, f.age.older = nil, nil
}

// refusals are the flows refused of late, in a ring.
type refusals struct {
	at   map[flowID]int64 // when the refusal ends
	ring []flowID
	next int // the oldest of a full ring
}

func (r *refusals) add(id flowID, now int64) {
	if _, there := r.at[id]; !there {
		if len(r.ring) < maxRefused {
			r.ring = append(r.ring, id)
		} else {
			delete(r.at, r.ring[r.next])
			r.ring[r.next] = id
			r.next = (r.next + 1) % maxRefused
		}
	}
	r.at[id] = now + int64(refusedFor)
}

func (r *refusals) holds(id *flowID, now int64) bool {
	until, there := r.at[*id]
	return there && now < until
}
