package deliver

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

const (
	defaultLatency    = 40 * time.Millisecond // measured: 25 KB a send at 5 Mbit/s
	defaultBatchBytes = 64 << 10              // measured: more gains little
	defaultSendBuffer = 256 << 10             // chosen: four batches
	defaultStall      = time.Minute           // chosen
)

// Options shape a Pool. Each zero value means its default.
type Options struct {
	Workers    int           // GOMAXPROCS
	Latency    time.Duration // the longest that packets are gathered; 40 ms
	BatchBytes int           // gathered bytes that are sent at once; 64 KiB
	SendBuffer int           // SO_SNDBUF in bytes, which the kernel doubles; 256 KiB
	Stall      time.Duration // a peer that takes nothing for this long is closed; 1 min
	Log        *slog.Logger  // slog.Default
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Latency <= 0 {
		o.Latency = defaultLatency
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = defaultBatchBytes
	}
	if o.SendBuffer <= 0 {
		o.SendBuffer = defaultSendBuffer
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Pool serves viewers with a fixed number of workers. All methods may be called
// from any goroutine. A Pool comes from New and ends with Close.
type Pool struct {
	options Options
	workers []*worker
	ledger  *ledger
	turn    atomic.Uint32
	running sync.WaitGroup
}

// New starts the workers.
func New(o Options) (*Pool, error) {
	p := &Pool{options: o.withDefaults()}
	p.ledger = newLedger(p.options.Workers)
	for i := range p.options.Workers {
		w, err := newWorker(&p.options, p.ledger, i)
		if err != nil {
			for _, w := range p.workers {
				w.poller.close()
			}
			return nil, fmt.Errorf("delivery pool: open worker: %w", err)
		}
		p.workers = append(p.workers, w)
	}
	for _, w := range p.workers {
		p.running.Go(w.loop)
	}
	return p, nil
}

// Close detaches all viewers with the reason Shutdown, closes their sockets and
// waits for the workers. A second Close only waits.
func (p *Pool) Close() {
	for _, w := range p.workers {
		w.stop.Store(true)
		w.poke()
	}
	p.running.Wait()
}

// Attach hands a socket over to the pool, which makes it non-blocking, caps its
// send buffer and closes it in the end. On an error it stays the caller's.
func (p *Pool) Attach(a Attach) (*Viewer, error) {
	if a.Log == nil {
		return nil, errors.New("deliver: attach: no log")
	}
	if err := prepare(a.FD, cmp.Or(a.Buffers.Send, p.options.SendBuffer)); err != nil {
		return nil, fmt.Errorf("deliver: attach: prepare socket: %w", err)
	}
	w := p.workers[int(p.turn.Add(1)-1)%len(p.workers)]
	v := newViewer(w, a)
	if !w.inbox.put(&letter{viewer: v, order: orderAttach, bytes: a.Leftover, by: a.By}) {
		return nil, ErrClosed
	}
	w.poke()
	return v, nil
}

// Stats are a viewer's counts.
type Stats struct {
	Bytes          uint64     // handed to the socket
	Packets        uint64     // sent whole
	Sends          uint64     // system calls that took bytes
	DroppedPackets uint64     // left out because of lag
	LagTime        media.Time // behind the newest packet, as Cursor.Lag counts it
	LagBytes       int
	Since          time.Time // of Attach
}

// Totals are the counts of a pool since New, over all viewers it ever had.
type Totals struct {
	Viewers        int64  // attached now
	Waiting        int64  // of these, with a full socket
	Attached       uint64 // ever
	Bytes          uint64
	Packets        uint64
	Sends          uint64
	DroppedPackets uint64
	Missed         [missings]Missed // what DroppedPackets is made of, indexed by Missing
	Left           [reasons]uint64  // viewers that left, indexed by Reason
	Unsent         [reasons]uint64  // bytes that waited for them then, likewise
}

// Stats sums up the workers' counts.
func (p *Pool) Stats() Totals {
	var t Totals
	for _, w := range p.workers {
		w.totals.addTo(&t)
	}
	return t
}

// totals are one worker's counts; only the worker adds to them.
type totals struct {
	viewers, waiting                atomic.Int64
	attached, bytes, packets, sends atomic.Uint64
	missed                          missed
	left, unsent                    [reasons]atomic.Uint64
}

func (c *totals) addTo(t *Totals) {
	t.Viewers += c.viewers.Load()
	t.Waiting += c.waiting.Load()
	t.Attached += c.attached.Load()
	t.Bytes += c.bytes.Load()
	t.Packets += c.packets.Load()
	t.Sends += c.sends.Load()
	t.DroppedPackets += c.missed.addTo(&t.Missed)
	for r := range c.left {
		t.Left[r] += c.left[r].Load()
		t.Unsent[r] += c.unsent[r].Load()
	}
}
