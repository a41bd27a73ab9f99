package deliver

import (
	"time"
)

// udpWorker is a worker's part for UDP viewers. Only its sockets' table and totals are shared.
type udpWorker struct {
	worker  *worker
	table   udpTable
	waiting []*Viewer // to be served at a time of their own
	spare   []*Viewer
	failed  []*Viewer     // could not be sent to in this turn
	due     time.Duration // of the first of waiting; 0: none
	dirty   []*udpSocket  // whose batch is not sent
	convoy  udpConvoy
	totals  udpSums
}

// later has a viewer served at a time, unless it waits for an earlier one.
func (u *udpWorker) later(v *Viewer, at time.Duration) {
	d := v.udp
	switch {
	case d.wake == 0:
		u.waiting = append(u.waiting, v)
	case d.wake <= at:
		return
	}
	d.wake = at
	u.soon(at)
}

// soon has a turn come at a time, or before.
func (u *udpWorker) soon(at time.Duration) {
	if u.due == 0 || at < u.due {
		u.due = at
	}
}

// turn serves the viewers whose time has come and sends what was gathered.
func (u *udpWorker) turn(now time.Duration) {
	u.flush(now) // what a full socket has kept
	if u.due != 0 && u.due <= now {
		list := u.waiting
		u.waiting, u.due = u.spare[:0], 0
		for i, v := range list {
			list[i] = nil
			at := v.udp.wake
			v.udp.wake = 0
			switch {
			case v.gone.Load():
			case at > now:
				u.later(v, at)
			default:
				u.worker.serveUDP(v, now)
			}
		}
		u.spare = list
	}
	u.flush(now)
	for i := 0; i < len(u.failed); i++ { // an end may have others served
		v := u.failed[i]
		u.failed[i] = nil
		if !v.gone.Load() {
			u.worker.failUDP(v, now)
		}
	}
	u.failed = u.failed[:0]
}

// enter takes a new viewer in.
func (u *udpWorker) enter(v *Viewer, by string) {
	w, s := u.worker, v.udp.socket
	w.totals.viewers.Add(1)
	w.totals.attached.Add(1)
	w.join(v, v.count.log.Load(), by)
	v.udp.place = len(s.viewers)
	s.viewers = append(s.viewers, v)
	u.totals.viewers.Add(1)
}

// leave takes a viewer out for good; what is gathered for it is still sent.
func (u *udpWorker) leave(v *Viewer) {
	d := v.udp
	s := d.socket
	if d.place != aside {
		last := len(s.viewers) - 1
		s.viewers[d.place] = s.viewers[last]
		s.viewers[d.place].udp.place = d.place
		s.viewers[last] = nil
		s.viewers = s.viewers[:last]
		d.place = aside
		u.totals.viewers.Add(-1)
	}
	if d.counts.paused.Swap(false) {
		u.totals.paused.Add(-1)
	}
	u.send(s, 0)
	if u.table.release(u.worker.poller, s) {
		u.discard(s)
	}
}

// flush sends what was gathered.
func (u *udpWorker) flush(now time.Duration) {
	full := u.dirty[:0]
	for _, s := range u.dirty {
		if s.dirty = !u.send(s, now); s.dirty {
			full = append(full, s)
			u.soon(now + fullPause)
		}
	}
	u.dirty = full
}

// mark notes that a socket has a batch to be sent.
func (u *udpWorker) mark(s *udpSocket) {
	if !s.dirty {
		s.dirty = true
		u.dirty = append(u.dirty, s)
	}
}

// close ends all viewers that are left.
func (u *udpWorker) close() {
	for _, s := range u.table.all() {
		for len(s.viewers) > 0 {
			u.worker.finish(s.viewers[len(s.viewers)-1], Shutdown)
		}
	}
}
