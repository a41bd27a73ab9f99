package deliver

import (
	"syscall"
	"time"

	"github.com/weir-media/weir/host/internal/dgram"
	"github.com/weir-media/weir/host/internal/stream"
)

const (
	// leastPause and mostPause bound how long a destination that failed is let be: the
	// pause doubles while it fails. Chosen: a player that was started again soon has its
	// picture, and one that is gone costs a send in half a minute.
	leastPause = time.Second
	mostPause  = 30 * time.Second
	// fullPause is after how long a full socket is tried again. Chosen: a device of
	// 100 Mbit/s sends 60 KiB in that time.
	fullPause = 5 * time.Millisecond
)

// Pausing is what a Sink of a lasting viewer may be besides. Its methods run on a worker's
// goroutine and must not block.
type Pausing interface {
	// Paused says that the destination could not be sent to, and is tried again.
	Paused(why syscall.Errno)
	// Resumed says that it can be sent to again.
	Resumed()
}

// failing is what became of a destination that could not be sent to.
type failing struct {
	reason syscall.Errno // of this round; zero: none
	local  bool          // it is the system's, not ICMP's
	until  time.Duration // not tried again before; 0: it is tried
	since  time.Duration // of the last pause's end
	first  time.Duration // of the first pause of those that follow each other
	told   bool          // the sink knows of a pause, and not of its end
	pause  time.Duration // the last one
}

// isThere tells whether the destination has failed of late, or its sink has yet to hear that
// it is well.
func (f *failing) isThere() bool { return f.told || f.until != 0 }

// fail notes that a destination could not be sent to; the turn's end decides.
func (u *udpWorker) fail(v *Viewer, why syscall.Errno, local bool) {
	if f := &v.udp.failing; f.reason == 0 && f.until == 0 {
		f.reason, f.local = why, local
		u.failed = append(u.failed, v)
	}
}

// drop counts datagrams that were not sent.
func (u *udpWorker) drop(v *Viewer, why UDPDrop, n int) {
	u.totals.dropped[why].Add(uint64(n))
	v.udp.counts.dropped.Add(uint64(n))
}

// failUDP ends a viewer that cannot be sent to, or lets it be for a while.
func (w *worker) failUDP(v *Viewer, now time.Duration) {
	d := v.udp
	f := &d.failing
	why := f.reason
	f.reason = 0
	d.counts.reason.Store(uint32(why))
	if f.pause = 2 * f.pause; f.pause == 0 || now-f.since > mostPause {
		f.pause, f.first = leastPause, now
	}
	if end := w.endOf(v, why, now); end != None {
		w.finish(v, end)
		return
	}
	f.pause = min(f.pause, mostPause)
	if p, ok := v.sink.(Pausing); ok && !f.told {
		f.told = true
		p.Paused(why)
	}
	f.until = now + f.pause
	if !d.counts.paused.Swap(true) {
		w.udp.totals.paused.Add(1)
	}
	v.feed.setAside(v)
	w.udp.later(v, f.until)
}

// endOf tells how a viewer ends that cannot be sent to; None: it is let be for a while.
func (w *worker) endOf(v *Viewer, why syscall.Errno, now time.Duration) Reason {
	d := v.udp
	switch {
	case d.lasting && d.failing.local && isOfInterface(why, d.socket.key.UDPSocket): // that comes back as another one
		w.udp.table.retire(d.socket)
		return WriteError
	case d.lasting:
		return None
	case dgram.Refuses(why):
		return PeerClosed
	case now-d.failing.first >= w.options.Stall:
		return Stalled
	}
	return None
}

// isOfInterface tells whether an error may mean that the socket's interface is no more.
func isOfInterface(why syscall.Errno, s UDPSocket) bool {
	switch why {
	case syscall.ENODEV, syscall.ENXIO:
		return true
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EINVAL, syscall.ENETDOWN:
		return s.Interface != ""
	}
	return false
}

// retry goes on with a viewer after a pause, at the newest key packet: its receiver was
// not there for what came before.
func (w *worker) retry(v *Viewer, now time.Duration) {
	d := v.udp
	d.failing.until, d.failing.since = 0, now
	d.counts.retries.Add(1)
	w.udp.totals.retries.Add(1)
	if d.counts.paused.Swap(false) {
		w.udp.totals.paused.Add(-1)
	}
	for !v.cursor.AtBoundary() {
		b, st := v.cursor.Batch(1)
		if st != stream.More {
			break
		}
		v.cursor.Advance(len(b))
	}
	v.state.missing = Unreached
	v.cursor.SkipToKey()
	w.udp.later(v, now+leastPause)
}

// isWell tells the sink of a pause's end, once the destination has taken what it was sent
// for a while.
func (v *Viewer) isWell(now time.Duration) {
	f := &v.udp.failing
	if !f.told || f.reason != 0 || now-f.since < leastPause {
		return
	}
	f.told = false
	if p, ok := v.sink.(Pausing); ok {
		p.Resumed()
	}
}
