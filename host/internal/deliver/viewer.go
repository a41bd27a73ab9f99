package deliver

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// Viewer is one attached socket. All methods may be called from any goroutine;
// those that change something are carried out by the viewer's worker, in the order
// of the calls. After it has left the pool they do nothing.
type Viewer struct {
	// What a round needs stands first, in few cache lines.
	cursor stream.Cursor
	feed   *feed
	rules  *rules
	out    *output // nil: nothing is to be written
	fd     int32
	place  int32 // index in feed.live, or aside
	state  state
	count  counts

	worker *worker
	sink   Sink
	udp    *datagrams // nil: a stream socket
	debt
	since
	slot uint32
	gone atomic.Bool
}

// since is from when a viewer is as it is.
type since struct {
	origin    media.Time    // of a burst: the length of the log to which it was allowed at the worker's start
	fullSince time.Duration // of state.blocked
}

// debt is what Write left waiting.
type debt struct {
	owes atomic.Int32 // bytes that are not sent
	most int32        // that it may owe
}

// maxPending is the most that Buffers.Pending may be: two of them fit into debt.owes.
// Far above what a plugin may be granted.
const maxPending = 1 << 29

// aside is the place of a viewer that is not served when its log grows: it waits
// for its socket, is held, or has gone.
const aside = -1

// rules are what the attachment asked for. Viewers of a feed share them where they are
// the same; they never change.
type rules struct {
	onLag       LagRule
	maxLag      media.Time // 0: none
	change, end Rule
	latency     time.Duration
	burst       float64 // Attach.BurstRate
}

func (r *rules) equal(o *rules) bool {
	return r.onLag == o.onLag && r.maxLag == o.maxLag && r.change.equal(o.change) && r.end.equal(o.end) &&
		r.latency == o.latency && r.burst == o.burst
}

func (r Rule) equal(o Rule) bool { return r.Mode == o.Mode && bytes.Equal(r.Bytes, o.Bytes) }

// state is where the viewer stands; only its worker uses it.
type state struct {
	held    bool       // send no packets
	asked   bool       // held by Hold, of which the sink is not told yet
	turned  bool       // held by a header change
	ended   bool       // the rule for the log's end was carried out
	blocked bool       // the socket is full
	queued  bool       // in worker.again or worker.bursts
	unread  bool       // there may be more input
	burst   burst      // how fast it is sent what it has not got
	leave   Reason     // at the next boundary, if not None
	missing Missing    // why the packets that were left out last were
	grace   media.Time // lag at the start, until the viewer has caught up once
	next    *letter    // log and cursor to go on with at the next boundary
}

// output is what is to be written before the next packet.
type output struct {
	buf  []byte // never written to: it may be shared
	off  int
	owed int // part of debt.owes that is in buf
}

func (o *output) pending() bool { return o != nil && o.off < len(o.buf) }

// add puts b behind what is pending. It keeps b, which must not change.
func (v *Viewer) add(b []byte, owed int) {
	if len(b) == 0 {
		return
	}
	o := v.out
	if o == nil {
		v.out = &output{buf: b[:len(b):len(b)], owed: owed}
		return
	}
	o.buf = append(o.buf, b...)
	o.buf = o.buf[:len(o.buf):len(o.buf)]
	o.owed += owed
}

// counts are written by the viewer's worker and read by Stats.
type counts struct {
	at                            atomic.Uint64 // cursor's place in bytes
	run                           atomic.Int64  // and in media time
	bytes, packets, sends, missed atomic.Uint64
	log                           atomic.Pointer[stream.Log] // nil once gone
	since                         time.Duration              // of Attach; counted from the worker's start
}

func newViewer(w *worker, a Attach) *Viewer {
	v := &Viewer{worker: w, fd: int32(a.FD), sink: a.Sink, cursor: a.Cursor, place: aside, debt: debt{most: PendingBytes}}
	if a.Buffers.Pending > 0 {
		v.most = int32(min(a.Buffers.Pending, maxPending))
	}
	v.add(a.Head, 0)
	v.rules = &rules{
		onLag: a.OnLag, maxLag: media.FromDuration(a.MaxLag),
		change: a.OnChange, end: a.OnEnd, latency: a.Latency, burst: a.BurstRate,
	}
	if a.Latency <= 0 {
		v.rules.latency = w.options.Latency
	}
	_, v.state.grace, _ = v.cursor.Lag()
	v.beginBurst()
	v.state.held = a.Hold
	v.count.log.Store(a.Log)
	v.count.since = time.Since(w.start)
	at, run := v.cursor.Place()
	v.count.at.Store(at)
	v.count.run.Store(int64(run))
	return v
}

func (v *Viewer) post(l *letter) error {
	l.viewer = v
	if v.gone.Load() || !v.worker.inbox.put(l) {
		return ErrDetached
	}
	v.worker.poke()
	return nil
}

// Write sends a copy of b at the next packet boundary. When more than Buffers.Pending
// would be waiting the viewer is closed with the reason WriteOverflow.
func (v *Viewer) Write(b []byte) error {
	if v.gone.Load() {
		return ErrDetached
	}
	n := int32(min(len(b), 2*maxPending-1))
	if v.owes.Add(n) > v.most {
		v.owes.Add(-n)
		v.Close(WriteOverflow)
		return ErrWriteOverflow
	}
	return v.post(&letter{order: orderWrite, bytes: bytes.Clone(b)})
}

// Hold stops packets at the next boundary, which Sink.Held tells of with Detached.
// Writes are still sent.
func (v *Viewer) Hold() { _ = v.post(&letter{order: orderHold}) }

// Resume ends a hold. If a header change held the viewer, its new header counts as
// sent.
func (v *Viewer) Resume() { _ = v.post(&letter{order: orderResume}) }

// Switch goes on with another log, from the cursor's place, at the next packet
// boundary. It ends a hold, and the cursor's header counts as sent. Segment is
// AttachUDP.Segment for the other log, and means nothing to stream sockets.
func (v *Viewer) Switch(l *stream.Log, c stream.Cursor, segment int) {
	_ = v.post(&letter{order: orderSwitch, log: l, cursor: c, segment: int32(segment)})
}

// Close closes the viewer at once.
func (v *Viewer) Close(why Reason) { _ = v.post(&letter{order: orderClose, reason: why}) }

// Finish closes the viewer at the next packet boundary, when what was written
// before is sent.
func (v *Viewer) Finish(why Reason) { _ = v.post(&letter{order: orderFinish, reason: why}) }

// Detach takes the viewer out at the next packet boundary, when what was written
// before is sent. The socket stays open and goes back to the caller of Attach, with
// Sink.Detached.
func (v *Viewer) Detach() { _ = v.post(&letter{order: orderDetach, reason: Detached}) }

// Stats gives the viewer's counts up to now.
func (v *Viewer) Stats() Stats {
	c := &v.count
	s := Stats{
		Bytes: c.bytes.Load(), Packets: c.packets.Load(), Sends: c.sends.Load(),
		DroppedPackets: c.missed.Load(), Since: v.worker.start.Add(c.since),
	}
	if l := c.log.Load(); l != nil {
		at, run := c.at.Load(), media.Time(c.run.Load())
		if end := l.Written(); end > at {
			s.LagBytes = int(end - at)
			s.LagTime = max(0, l.Length()-run)
		}
	}
	return s
}
