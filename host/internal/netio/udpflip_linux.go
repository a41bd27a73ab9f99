package netio

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// udpAddress is one address with its sockets. Whoever holds the listener's
// change may read them, and writes them by set alone. The anchor has the address for itself until it lets others in, stays as long as
// the listener, and is read like the others.
type udpAddress struct {
	l           *UDPListener
	index       int
	anchor      *udpSocket
	workers     []*udpSocket // without the anchor
	old         []*udpSocket // keep the flows they know
	spare       []*udpSocket // get nothing; without generations in the order of their binding, after workers
	flipped     int64        // when, on the listener's clock
	rung        string
	generations bool // the spreader's Begin keeps known flows in place
}

// open binds the address, or takes sockets that another process had: the first
// is the anchor.
func (a *udpAddress) open(bind netip.AddrPort, inherited []*net.UDPConn) error {
	var stale []*udpSocket
	for i, c := range inherited {
		s, err := newUDPSocket(c)
		if err != nil {
			closeConns(inherited[i+1:])
			return &BindError{Address: udpAddrPort(c.LocalAddr()), Err: err}
		}
		if i == 0 {
			a.adopt(s)
			continue
		}
		s.anchor = a.anchor
		s.retiring.Store(true)
		stale = append(stale, a.begin(s))
		a.set(slices.Clip(stale), nil, nil, "") // which Close closes
	}
	if a.anchor == nil {
		s, err := bindUDP(bind, nil)
		if err != nil {
			return err
		}
		a.adopt(s)
	}
	return a.ladder(stale)
}

func (a *udpAddress) adopt(s *udpSocket) { a.anchor = a.begin(s) }

// begin reads a socket.
func (a *udpAddress) begin(s *udpSocket) *udpSocket {
	a.l.prepare(s)
	go s.reader.loop()
	return s
}

// ladder finds out how datagrams can be spread, and opens the workers.
func (a *udpAddress) ladder(stale []*udpSocket) error {
	want, spreader := a.l.options.Workers, a.l.options.Spreader
	a.set(stale, nil, nil, RungHash)
	if spreader == nil && want == 1 && len(stale) == 0 {
		a.rung = RungOne
		return nil
	}
	if len(a.workers) == 0 {
		if err := a.grow(1); err != nil {
			a.l.options.Log.Warn("one socket reads all datagrams", "listener", a.l.options.Name, "address", a.anchor.local, "error", err)
			a.rung = RungOne
			return nil
		}
	}
	if spreader == nil {
		return a.resize(max(want, 1+len(stale)))
	}
	rung, generations, err := spreader.Attach(a.index, a.anchor.raw, a.l.options.Key.Offset, a.l.options.Key.Length)
	if err != nil {
		return fmt.Errorf("address %s: %w", a.anchor.local, err)
	}
	a.rung, a.generations = rung, generations
	if !generations {
		return a.resize(max(want, 2)) // the one that Attach needed may hold datagrams
	}
	a.set(nil, nil, a.workers, rung)
	if err = a.fill(want); err != nil && len(stale) > 0 {
		kept := a.spare // they are still in the other process's array
		a.set(nil, nil, nil, rung)
		err = a.fill(want)
		a.set(a.workers, nil, slices.Concat(kept, a.spare), rung)
	}
	if err != nil {
		return fmt.Errorf("address %s: %w", a.anchor.local, err)
	}
	return nil
}

// fill makes n workers a generation; after an error there are none.
func (a *udpAddress) fill(n int) error {
	err := a.grow(n)
	if err == nil {
		err = a.call(a.workers)
	}
	if err != nil {
		a.set(nil, a.old, slices.Concat(a.spare, a.workers), a.rung)
	}
	return err
}

// set puts the lists in force.
func (a *udpAddress) set(workers, old, spare []*udpSocket, rung string) {
	a.l.mu.Lock()
	a.workers, a.old, a.spare, a.rung = workers, old, spare, rung
	a.l.mu.Unlock()
}

// grow makes n workers besides the anchor, of spare sockets as long as there
// are some.
func (a *udpAddress) grow(n int) error {
	for len(a.workers) < n {
		spare := a.spare
		var s *udpSocket
		if len(spare) > 0 {
			s, spare = spare[0], spare[1:]
			s.retiring.Store(false)
		} else {
			bound, err := bindUDP(a.anchor.local, a.anchor)
			if err != nil {
				return err
			}
			s = a.begin(bound)
		}
		a.set(append(slices.Clip(a.workers), s), a.old, spare, a.rung)
	}
	return nil
}

// call makes sockets the spreader's generation.
func (a *udpAddress) call(sockets []*udpSocket) error {
	if a.l.options.Spreader == nil || a.rung == RungOne {
		return nil
	}
	raws := make([]syscall.RawConn, len(sockets))
	for i, s := range sockets {
		raws[i] = s.raw
	}
	return a.l.options.Spreader.Begin(a.index, raws)
}

// resize makes n sockets of the address workers, the anchor being one, where
// there are no generations.
func (a *udpAddress) resize(n int) error {
	if n < 1+len(a.workers) && (a.l.options.Spreader == nil || a.rung == RungOne) {
		return fmt.Errorf("%s: %d workers cannot become %d: the kernel's hash leaves no socket out", a.anchor.local, 1+len(a.workers), n)
	}
	if err := a.grow(n - 1); err != nil {
		return err
	}
	keep, rest := a.workers[:n-1], a.workers[n-1:]
	if err := a.call(append([]*udpSocket{a.anchor}, keep...)); err != nil {
		return err
	}
	retiring(rest)
	empty(rest)
	a.set(slices.Clone(keep), nil, slices.Concat(rest, a.spare), a.rung)
	return nil
}

// empty reads what is left in sockets that get no more, lest it moves flows back
// once they are workers again.
func empty(sockets []*udpSocket) {
	for _, s := range sockets {
		s.reader.empty()
	}
}

// retiring keeps what sockets still hold from moving flows back to them.
func retiring(sockets []*udpSocket) {
	for _, s := range sockets {
		s.retiring.Store(true)
	}
}

// flip begins a generation of n workers.
func (a *udpAddress) flip(n int) error {
	switch {
	case a.rung == RungOne && n == 1:
		return nil
	case !a.generations:
		err := a.resize(n)
		if err == nil && a.rung == RungOne {
			a.set(a.workers, nil, nil, RungHash)
		}
		return err
	}
	if err := a.retire(); err != nil {
		return err
	}
	before := a.workers
	a.set(nil, before, a.spare, a.rung)
	if err := a.fill(n); err != nil {
		a.set(before, nil, a.spare, a.rung)
		return err
	}
	a.flipped = a.l.now()
	return nil
}

// retire ends the old generation: its flows move.
func (a *udpAddress) retire() error {
	if len(a.old) == 0 {
		return nil
	}
	retiring(a.old)
	if err := a.l.options.Spreader.Retire(a.index); err != nil {
		return err
	}
	empty(a.old)
	a.set(a.workers, nil, slices.Concat(a.spare, a.old), a.rung)
	return nil
}

// drained tells whether the old generation has no flows any more, or has had
// them long enough.
func (a *udpAddress) drained(now int64) bool {
	if len(a.old) == 0 {
		return false
	}
	if now-a.flipped >= int64(a.l.options.DrainLimit) {
		return true
	}
	flows := int64(0)
	for _, s := range a.old {
		flows += s.flows.Load()
	}
	return flows == 0 && now-a.flipped >= int64(settleFlows)
}

// settleFlows is how long after a flip datagrams may be unread that were the
// first of their flow: chosen.
const settleFlows = time.Second

// Flip begins a generation of that many workers for each address: new flows go
// to them. With a Spreader of generations, known flows stay where they are
// until all of them have ended or DrainLimit has passed, and then move once;
// else they may move now. No datagram is lost. A generation that still drains
// is retired first.
func (l *UDPListener) Flip(workers int) error {
	if workers < 1 || workers > MaxWorkers {
		return fmt.Errorf("listener %q: flip: %d workers; from 1 to %d are possible", l.options.Name, workers, MaxWorkers)
	}
	l.change.Lock()
	defer l.change.Unlock()
	if l.closed {
		return fmt.Errorf("listener %q: flip: %w", l.options.Name, net.ErrClosed)
	}
	for _, a := range l.at {
		if err := a.flip(workers); err != nil {
			return fmt.Errorf("listener %q: flip: %w", l.options.Name, err)
		}
	}
	return nil
}

// The clock of the listener ticks eight times in the shorter of its times, but
// at least once a second: chosen.
const (
	ticksPerTimeout = 8
	maxTick         = time.Second
)

// tickLoop ends idle flows and drained generations.
func (l *UDPListener) tickLoop() {
	defer close(l.ticking)
	tick := time.NewTicker(max(min(l.options.IdleTimeout/ticksPerTimeout, l.options.DrainLimit/ticksPerTimeout, maxTick), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-l.stopped:
			return
		case <-tick.C:
			l.tick(l.now())
		}
	}
}

func (l *UDPListener) tick(now int64) {
	for _, f := range l.table.idle(now - int64(l.options.IdleTimeout)) {
		f.finish(FlowIdle)
	}
	l.replies.tick(now)
	l.change.Lock()
	defer l.change.Unlock()
	if l.closed {
		return
	}
	for _, a := range l.at {
		if !a.drained(now) {
			continue
		}
		if err := a.retire(); err != nil {
			l.options.Log.Warn("end of a generation of workers failed", "listener", l.options.Name, "error", err)
		}
	}
}

// Addrs tells what was bound, in the order of UDPOptions.Sockets and Addresses,
// with the ports that the system chose for port 0.
func (l *UDPListener) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(l.at))
	for i, a := range l.at {
		addrs[i] = a.anchor.local
	}
	return addrs
}

// Anchors gives one socket of each address, to be steered to: the kernel then
// chooses the worker. They stay the listener's and live as long.
func (l *UDPListener) Anchors() []*net.UDPConn {
	conns := make([]*net.UDPConn, len(l.at))
	for i, a := range l.at {
		conns[i] = a.anchor.conn
	}
	return conns
}

// Sockets gives all sockets of each address, the anchor first, for a take-over;
// those of groups are not among them. They stay the listener's. All are to be
// handed over: what one holds is lost with it.
func (l *UDPListener) Sockets() [][]*net.UDPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([][]*net.UDPConn, len(l.at))
	for i, a := range l.at {
		for _, s := range a.sockets() {
			all[i] = append(all[i], s.conn)
		}
	}
	return all
}

// sockets are all of the address.
func (a *udpAddress) sockets() []*udpSocket {
	if a.anchor == nil {
		return nil
	}
	anchor := []*udpSocket{a.anchor}
	if a.generations { // spare ones first: the next process can use them at once
		return slices.Concat(anchor, a.spare, a.old, a.workers)
	}
	return slices.Concat(anchor, a.workers, a.spare)
}

func (l *UDPListener) sockets() []*udpSocket {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.members)
	for _, a := range l.at {
		all = append(all, a.sockets()...)
	}
	return all
}

// Stats is a snapshot of the counters.
func (l *UDPListener) Stats() UDPStats {
	s := l.counts.snapshot()
	s.Flows, _ = l.table.size()
	l.mu.Lock()
	defer l.mu.Unlock()
	rungs := []string{RungOne, RungHash} // lowest first; those of a Spreader are better
	for _, a := range l.at {
		if s.Rung == "" || slices.Contains(rungs, a.rung) && (a.rung == RungOne || s.Rung != RungOne) {
			s.Rung = a.rung
		}
		s.Workers += len(a.workers)
		if !a.generations {
			s.Workers++
		}
		s.Draining += len(a.old)
	}
	return s
}
