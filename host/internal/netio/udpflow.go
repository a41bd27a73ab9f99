package netio

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// FlowEnd says why a flow ended.
type FlowEnd uint8

// The reasons.
const (
	FlowIdle    FlowEnd = iota + 1 // no datagram for IdleTimeout
	FlowClosed                     // by its own Close
	FlowStopped                    // the listener closed
	FlowEvicted                    // made room for another, as the one longest idle
	FlowFailed                     // its socket failed
	FlowRefused                    // its peer does not listen any more; of a kept flow
	flowEnds
)

var flowEndNames = [flowEnds]string{"none", "idle", "closed", "stopped", "evicted", "failed", "refused"}

// String is the reason's metric label.
func (e FlowEnd) String() string {
	if e < flowEnds {
		return flowEndNames[e]
	}
	return "invalid"
}

// FlowEnds lists every FlowEnd, in order, for those who make labels of them.
func FlowEnds() []FlowEnd {
	return []FlowEnd{FlowIdle, FlowClosed, FlowStopped, FlowEvicted, FlowFailed, FlowRefused}
}

var errNoPeer = errors.New("send: the flow of a group has no peer")

// Flow is the datagrams of one peer to one address, or all of one group. All
// methods are safe for concurrent use, also inside its FlowSink's. Who
// received it may end it with Close; the listener may before.
type Flow struct {
	listener      string
	local, remote netip.AddrPort
	id            flowID
	table         *flowTable   // nil for a flow of JoinGroup
	clock         func() int64 // the listener's
	from          atomic.Pointer[udpSocket]
	receiver      groupReceiver // of a flow of JoinGroup

	age  flowAge // the table's, under its lock
	sink flowSink
}

// flowSink serialises the calls of a FlowSink.
type flowSink struct {
	mu     sync.Mutex // held over each call
	to     FlowSink   // nil until ServeFlow has answered, and for refused flows
	told   bool       // Ended was called, or never will be
	reason atomic.Uint32
}

// Listener is the name of the listener; empty for a flow of JoinGroup.
func (f *Flow) Listener() string { return f.listener }

// Local is the address that the peer dialled, or the group.
func (f *Flow) Local() netip.AddrPort { return f.local }

// Remote is the peer's address; invalid for a flow of JoinGroup.
func (f *Flow) Remote() netip.AddrPort { return f.remote }

// Send sends one datagram to the peer, from exactly the address it dialled. It
// never blocks: a full socket is an error. b is the caller's again after.
func (f *Flow) Send(b []byte) error {
	switch {
	case f.table == nil:
		return errNoPeer
	case f.sink.reason.Load() != 0:
		return fmt.Errorf("send: %w", net.ErrClosed)
	}
	err := f.from.Load().reply(&f.id, b)
	if err != nil {
		f.table.counts.sendErrors.Add(1)
		return fmt.Errorf("send from %s to %s: %w", f.local, f.remote, err)
	}
	f.table.counts.sent.Add(1)
	return nil
}

// Keep has the flow stay for as long as its session does, however long its peer is silent
// and however many other flows come, unless a half of MaxFlows are kept; Keep(false) ends that. A flow of JoinGroup is not
// changed by it.
func (f *Flow) Keep(on bool) {
	if f.table != nil {
		f.table.keep(f, on, f.clock())
	}
}

// Lost counts datagrams of a flow of JoinGroup that the kernel dropped since its
// buffer was full, as far as known: the count comes with later datagrams.
func (f *Flow) Lost() uint64 { return f.receiver.dropped() }

// Start gives a flow of JoinGroup or of Peers its sink; nothing is received before. It is
// for one call.
func (f *Flow) Start(s FlowSink) {
	f.sink.mu.Lock()
	f.sink.to = s
	f.sink.mu.Unlock()
	if f.table == nil {
		f.receiver.start(f)
		return
	}
	if f.sink.reason.Load() != 0 { // it has ended before
		f.sink.settle()
	}
}

// Close ends the flow. The sink's Ended comes before Close returns, or, if one
// of its methods is under way, right after that. Later datagrams of the same
// peer are a new flow. Idempotent.
func (f *Flow) Close() { f.finish(FlowClosed) }

// finish ends the flow, for the first reason that is given.
func (f *Flow) finish(reason FlowEnd) {
	if !f.sink.reason.CompareAndSwap(0, uint32(reason)) {
		return
	}
	if f.table != nil {
		f.table.forget(f, reason)
	} else {
		f.receiver.stop(f)
	}
	f.sink.settle()
}

// settle tells the sink of the end, unless another call is under way, which
// settles after it.
func (s *flowSink) settle() {
	if !s.mu.TryLock() {
		return
	}
	if !s.told && s.to != nil {
		s.told = true
		s.to.Ended(FlowEnd(s.reason.Load()))
	}
	s.mu.Unlock()
}

// deliver gives the sink datagrams, unless the flow has ended.
func (s *flowSink) deliver(sizes []int, b []byte) {
	s.mu.Lock()
	if s.reason.Load() == 0 && s.to != nil {
		s.to.Datagrams(sizes, b)
	}
	s.mu.Unlock()
	if s.reason.Load() != 0 {
		s.settle()
	}
}
