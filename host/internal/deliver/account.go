package deliver

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// lagSteps is the number of LagBounds.
const lagSteps = 11

// LagBounds are the upper bounds of LogTotals.Lag; its last count has none. Chosen:
// the least and the most latency that a point may have, and up to where viewers skip.
var LagBounds = [lagSteps]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond, 160 * time.Millisecond,
	320 * time.Millisecond, 640 * time.Millisecond, 1280 * time.Millisecond, 2560 * time.Millisecond, 5120 * time.Millisecond,
}

// LogTotals are the counts of one log's delivery, over all viewers it ever had.
type LogTotals struct {
	Viewers        int64 // attached now
	Waiting        int64 // of these, with a full socket
	Attached       uint64
	Bytes          uint64
	Packets        uint64
	Sends          uint64 // system calls that took bytes
	DroppedPackets uint64
	Missed         [missings]Missed // what DroppedPackets is made of, indexed by Missing
	Busy           time.Duration    // workers' time in rounds of the log, on the wall clock
	// Lag counts viewers by how far they were behind the newest packet, in media time,
	// when their turn came: the i-th up to LagBounds[i], the last those above. A sample:
	// each viewer counts about twice a second.
	Lag    [lagSteps + 1]uint64
	LagSum time.Duration   // of all that Lag counts
	Left   [reasons]uint64 // viewers that left, indexed by Reason
	// Unsent are the bytes that the log had for them when they left, indexed by Reason.
	Unsent [reasons]uint64
}

// Add adds what another log's delivery was to t.
func (t *LogTotals) Add(o *LogTotals) {
	t.Viewers += o.Viewers
	t.Waiting += o.Waiting
	t.Attached += o.Attached
	t.Bytes += o.Bytes
	t.Packets += o.Packets
	t.Sends += o.Sends
	t.DroppedPackets += o.DroppedPackets
	t.Busy += o.Busy
	for i := range t.Missed {
		t.Missed[i].Packets += o.Missed[i].Packets
		t.Missed[i].Bytes += o.Missed[i].Bytes
	}
	t.LagSum += o.LagSum
	for i := range t.Lag {
		t.Lag[i] += o.Lag[i]
	}
	for i := range t.Left {
		t.Left[i] += o.Left[i]
		t.Unsent[i] += o.Unsent[i]
	}
}

// tally is what one worker counts for one log; only the worker writes to it.
type tally struct {
	viewers, waiting                atomic.Int64
	attached, bytes, packets, sends atomic.Uint64
	missed                          missed
	busy                            atomic.Int64 // ns
	lag                             [lagSteps + 1]atomic.Uint64
	lagSum                          atomic.Int64 // ns
	left, unsent                    [reasons]atomic.Uint64
	_                               [64]byte // of the cache line that another worker writes to
}

func (c *tally) addTo(t *LogTotals) {
	t.Viewers += c.viewers.Load()
	t.Waiting += c.waiting.Load()
	t.Attached += c.attached.Load()
	t.Bytes += c.bytes.Load()
	t.Packets += c.packets.Load()
	t.Sends += c.sends.Load()
	t.DroppedPackets += c.missed.addTo(&t.Missed)
	t.Busy += time.Duration(c.busy.Load())
	t.LagSum += time.Duration(c.lagSum.Load())
	for i := range c.lag {
		t.Lag[i] += c.lag[i].Load()
	}
	for r := range c.left {
		t.Left[r] += c.left[r].Load()
		t.Unsent[r] += c.unsent[r].Load()
	}
}

// ledger keeps the account of each log until the log is collected.
type ledger struct {
	mu      sync.Mutex
	workers int
	logs    map[weak.Pointer[stream.Log]]*Account
}

func newLedger(workers int) *ledger {
	return &ledger{workers: workers, logs: make(map[weak.Pointer[stream.Log]]*Account)}
}

func (b *ledger) find(l *stream.Log) *Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logs[weak.Make(l)]
}

// open gives the account of l, which it makes if need be.
func (b *ledger) open(l *stream.Log) *Account {
	key := weak.Make(l)
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.logs[key]; a != nil {
		return a
	}
	a := &Account{workers: b.workers}
	b.logs[key] = a
	runtime.AddCleanup(l, b.forget, key)
	return a
}

func (b *ledger) forget(key weak.Pointer[stream.Log]) {
	b.mu.Lock()
	delete(b.logs, key)
	b.mu.Unlock()
}

// Account is what is counted of one log's delivery. It holds no log, and whoever holds it
// may read it when the log is gone. Its methods may be called from any goroutine.
type Account struct {
	workers int
	mu      sync.Mutex
	parts   []part
}

// part is the share of one Attach.By.
type part struct {
	by      string
	tallies []tally // one per worker
}

// Account gives the account of l.
func (p *Pool) Account(l *stream.Log) *Account { return p.ledger.open(l) }

// of gives a worker's tally, which it makes if need be.
func (a *Account) of(by string, worker int) *tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.parts {
		if p.by == by {
			return &p.tallies[worker]
		}
	}
	p := part{by, make([]tally, a.workers)}
	a.parts = append(a.parts, p)
	return &p.tallies[worker]
}

// Totals sums up all parts.
func (a *Account) Totals() LogTotals {
	var t LogTotals
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.parts {
		p.addTo(&t)
	}
	return t
}

// Each gives the totals for each Attach.By that there was.
func (a *Account) Each(yield func(by string, t *LogTotals)) {
	a.mu.Lock()
	parts := a.parts // which only grows
	a.mu.Unlock()
	for _, p := range parts {
		var t LogTotals
		p.addTo(&t)
		yield(p.by, &t)
	}
}

func (p *part) addTo(t *LogTotals) {
	for i := range p.tallies {
		p.tallies[i].addTo(t)
	}
}

// late counts a viewer's lag.
func (c *tally) late(lag media.Time) {
	d := max(0, lag.Duration())
	i := 0
	for i < lagSteps && d > LagBounds[i] {
		i++
	}
	c.lag[i].Add(1)
	c.lagSum.Add(int64(d))
}
