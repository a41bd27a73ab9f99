package netio

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// UDPListener is a set of addresses with one table of the flows that reach
// them. All methods are safe for concurrent use. Whoever called ListenUDP
// calls Close.
type UDPListener struct {
	options UDPOptions
	table   *flowTable
	routes  atomic.Pointer[udpRoutes]
	counts  udpCounters
	begun   time.Time // the clock's zero
	replies replies

	at      []*udpAddress
	change  sync.Mutex    // who holds it may change the sockets
	mu      sync.Mutex    // over the lists of sockets, never held for long
	members []*udpSocket  // of the groups
	closed  bool          // under change
	stopped chan struct{} // closed by Close
	ticking chan struct{} // closed by tickLoop's end

	unreadable sync.Map // of unix.Errno: the kinds of failed reads so far
}

func (o UDPOptions) withDefaults() UDPOptions {
	if o.Workers == 0 {
		o.Workers = 1
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultFlowIdle
	}
	if o.DrainLimit <= 0 {
		o.DrainLimit = DefaultDrainLimit
	}
	if o.MaxFlows <= 0 {
		o.MaxFlows = DefaultMaxFlows
	}
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = DefaultReadBuffer
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o *UDPOptions) check() error {
	switch {
	case o.Handler == nil:
		return errors.New("no handler")
	case len(o.Addresses) == 0 && len(o.Sockets) == 0:
		return errors.New("no address")
	case o.Workers < 1 || o.Workers > MaxWorkers:
		return fmt.Errorf("%d workers; from 1 to %d are possible", o.Workers, MaxWorkers)
	case o.Key.Length < 0 || o.Key.Length > 8 || o.Key.Offset < 0 || o.Key.Offset > SniffBytes-o.Key.Length:
		return fmt.Errorf("flow id of %d bytes at %d; up to 8 within the first %d are possible", o.Key.Length, o.Key.Offset, SniffBytes)
	}
	for _, sockets := range o.Sockets {
		if len(sockets) == 0 {
			return errors.New("an address without socket")
		}
	}
	return nil
}

// ListenUDP binds all addresses or none, joins the groups and begins to read. A
// failure to bind is a *BindError.
func ListenUDP(o UDPOptions) (*UDPListener, error) {
	o = o.withDefaults()
	l := &UDPListener{options: o, begun: time.Now(), stopped: make(chan struct{}), ticking: make(chan struct{})}
	l.table = newFlowTable(o.MaxFlows, &l.counts)
	err := o.check()
	if err == nil {
		err = l.SetRoutes(o.Raw)
	}
	if err == nil {
		err = l.open()
	} else {
		for _, sockets := range o.Sockets {
			closeConns(sockets)
		}
	}
	if err != nil {
		close(l.ticking)
		l.Close()
		return nil, fmt.Errorf("listener %q: %w", o.Name, err)
	}
	go l.tickLoop()
	s := l.Stats()
	o.Log.Info("datagram workers", "listener", o.Name, "workers", s.Workers, "spread", s.Rung)
	return l, nil
}

// open makes all addresses, those of inherited sockets first, and joins the
// groups.
func (l *UDPListener) open() error {
	inherited := l.options.Sockets
	for i := range len(inherited) + len(l.options.Addresses) {
		a := &udpAddress{l: l, index: i}
		l.at = append(l.at, a)
		var err error
		if i < len(inherited) {
			err = a.open(netip.AddrPort{}, inherited[i])
		} else {
			err = a.open(l.options.Addresses[i-len(inherited)], nil)
		}
		if err != nil {
			for _, rest := range inherited[min(i+1, len(inherited)):] {
				closeConns(rest)
			}
			return err
		}
	}
	return l.join()
}

func closeConns(conns []*net.UDPConn) {
	for _, c := range conns {
		c.Close()
	}
}

// prepare makes a socket ready to be read.
func (l *UDPListener) prepare(s *udpSocket) {
	s.others = &l.replies
	s.buffer(l.options.ReadBuffer)
	if l.options.Key.Length == 0 {
		s.gather() // its pieces may mix ids
	}
	newUDPReader(s, l, l.options.Key)
}

// now is the listener's clock, in nanoseconds.
func (l *UDPListener) now() int64 { return int64(time.Since(l.begun)) }

// arrived takes a batch from one of the readers.
func (l *UDPListener) arrived(r *udpReader, batch []arrival) {
	now := l.now()
	l.table.lookup(batch, r.socket, now)
	var datagrams, bytes int
	for i := range batch {
		a := &batch[i]
		datagrams += a.datagrams()
		bytes += len(a.b)
		if a.flow == nil {
			if drop := l.welcome(r.socket, a, now); drop != 0 {
				l.counts.dropped[drop].Add(uint64(a.datagrams()))
			}
		}
	}
	l.counts.datagrams.Add(uint64(datagrams))
	l.counts.bytes.Add(uint64(bytes))
	if lost := r.takeLost(); lost > 0 {
		l.counts.dropped[DropKernel].Add(lost)
	}
	r.run.deliver(batch)
}

// welcome opens the flow of an arrival that has none, or says why not.
func (l *UDPListener) welcome(by *udpSocket, a *arrival, now int64) UDPDrop {
	if a.refused {
		return DropRefused
	}
	plugin, ok := l.routes.Load().route(a.first())
	if !ok {
		if a.flow = l.table.opened(&a.id, by, now); a.flow != nil {
			return 0
		}
		return DropUnknown
	}
	f := &Flow{listener: l.options.Name, id: a.id, table: l.table, clock: l.now}
	f.local = addrPortOf(a.id.local, a.id.localPort, a.id.scope)
	f.remote = addrPortOf(a.id.remote, a.id.remotePort, a.id.scope)
	f.from.Store(by)
	f.sink.mu.Lock() // whoever finds the flow waits until it has a sink
	in, evicted, drop := l.table.add(f, now)
	if in != f {
		f.sink.mu.Unlock()
		a.flow = in
		return drop
	}
	if evicted != nil {
		evicted.finish(FlowEvicted)
	}
	f.sink.to = l.options.Handler.ServeFlow(f, plugin, a.first())
	if f.sink.to == nil {
		f.sink.reason.CompareAndSwap(0, uint32(FlowClosed))
		l.table.refuse(f, now)
		f.sink.mu.Unlock()
		return DropRefused
	}
	f.sink.mu.Unlock()
	if f.sink.reason.Load() != 0 {
		f.sink.settle()
	}
	a.flow = f
	return 0
}

// unread counts a failed read.
func (l *UDPListener) unread(errno unix.Errno) {
	l.counts.readErrors.Add(1)
	if _, known := l.unreadable.LoadOrStore(errno, true); !known {
		l.options.Log.Warn("reading datagrams failed, and goes on", "listener", l.options.Name, "pause", retryAfterError, "error", errno)
	}
}

// failed tells of a reader that cannot go on.
func (l *UDPListener) failed(err error) {
	l.options.Log.Warn("reading datagrams failed", "listener", l.options.Name, "error", err)
}

// addrPortOf is an address of a flowID, with the interface's number as zone
// where one is needed.
func addrPortOf(b [16]byte, port uint16, scope uint32) netip.AddrPort {
	a := netip.AddrFrom16(b).Unmap()
	if scope != 0 && a.Is6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast()) {
		a = a.WithZone(zone(scope))
	}
	return netip.AddrPortFrom(a, port)
}

func zone(scope uint32) string { return strconv.FormatUint(uint64(scope), 10) }

// SetRoutes replaces the patterns for flows to come. A pattern without Bytes
// takes what no other matches.
func (l *UDPListener) SetRoutes(patterns []Pattern) error {
	r, err := newUDPRoutes(patterns)
	if err != nil {
		return fmt.Errorf("listener %q: %w", l.options.Name, err)
	}
	l.routes.Store(&r)
	return nil
}

// Name is UDPOptions.Name.
func (l *UDPListener) Name() string { return l.options.Name }

// Stop opens no more flows; those that are there go on until Close.
func (l *UDPListener) Stop() { l.table.stop(false) }

// Close ends all flows, with FlowStopped, and joins the readers. It is not for
// calls inside a FlowSink or the UDPHandler. Idempotent.
func (l *UDPListener) Close() {
	l.change.Lock()
	closed := l.closed
	l.closed = true
	l.change.Unlock()
	if closed {
		return
	}
	close(l.stopped)
	<-l.ticking
	sockets := l.sockets()
	for _, s := range sockets {
		s.reader.stop()
	}
	for _, f := range l.table.stop(true) {
		f.finish(FlowStopped)
	}
	for _, s := range sockets {
		s.conn.Close()
	}
	l.replies.close()
	if l.options.Spreader != nil {
		if err := l.options.Spreader.Close(); err != nil {
			l.options.Log.Warn("close of the spreader failed", "listener", l.options.Name, "error", err)
		}
	}
}
