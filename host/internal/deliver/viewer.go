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
	worker *worker
	fd     int
	slot   uint32
	sink   Sink
	cursor stream.Cursor
	out    output
	rules  rules
	state  state
	feed   *feed
	place  int // index in feed.live, or aside
	count  counts
	owes   atomic.Int64 // bytes of Write that are not sent
	most   int64        // that it may owe
	gone   atomic.Bool
}

// aside is the place of a viewer that is not served when its log grows: it waits
// for its socket, is held, or has gone.
const aside = -1

// rules are what the attachment asked for.
type rules struct {
	onLag       LagRule
	maxLag      media.Time // 0: none
	grace       media.Time // lag at the start, until the viewer has caught up once
	change, end Rule
	latency     time.Duration
}

// state is where the viewer stands; only its worker uses it.
type state struct {
	held    bool          // send no packets
	asked   bool          // held by Hold, of which the sink is not told yet
	turned  bool          // held by a header change
	ended   bool          // the rule for the log's end was carried out
	blocked bool          // the socket is full
	since   time.Duration // of blocked
	queued  bool          // in worker.again
	unread  bool          // there may be more input
	leave   Reason        // at the next boundary, if not None
	next    *letter       // log and cursor to go on with at the next boundary

	sent, skipped uint64 // packets, under cursors before the present one
}

// output is what is to be written before the next packet.
type output struct {
	buf  []byte // never written to: it may be shared
	off  int
	owed int // part of Viewer.owes that is in buf
}

func (o *output) pending() bool { return o.off < len(o.buf) }

// add puts b behind what is pending. It keeps b, which must not change.
func (o *output) add(b []byte) {
	if o.pending() {
		o.buf = append(o.buf, b...)
	} else {
		o.buf, o.off = b, 0
	}
	o.buf = o.buf[:len(o.buf):len(o.buf)]
}

// counts are written by the viewer's worker and read by Stats.
type counts struct {
	log                           atomic.Pointer[stream.Log] // nil once gone
	bytes, packets, sends, missed atomic.Uint64
	at                            atomic.Uint64 // cursor's place in bytes
	run                           atomic.Int64  // and in media time
	since                         time.Time
}

func newViewer(w *worker, a Attach) *Viewer {
	v := &Viewer{worker: w, fd: a.FD, sink: a.Sink, cursor: a.Cursor, place: aside, most: PendingBytes}
	if a.Pending > 0 {
		v.most = int64(a.Pending)
	}
	v.out.add(a.Head)
	v.rules = rules{
		onLag: a.OnLag, maxLag: media.FromDuration(a.MaxLag),
		change: a.OnChange, end: a.OnEnd, latency: a.Latency,
	}
	if v.rules.latency <= 0 {
		v.rules.latency = w.options.Latency
	}
	_, v.rules.grace, _ = v.cursor.Lag()
	v.state.held = a.Hold
	v.count.log.Store(a.Log)
	v.count.since = time.Now()
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

// Write sends a copy of b at the next packet boundary. When more than Attach.Pending
// would be waiting the viewer is closed with the reason WriteOverflow.
func (v *Viewer) Write(b []byte) error {
	if v.gone.Load() {
		return ErrDetached
	}
	if v.owes.Add(int64(len(b))) > v.most {
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
// boundary. It ends a hold, and the cursor's header counts as sent.
func (v *Viewer) Switch(l *stream.Log, c stream.Cursor) {
	_ = v.post(&letter{order: orderSwitch, log: l, cursor: c})
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
		DroppedPackets: c.missed.Load(), Since: c.since,
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
