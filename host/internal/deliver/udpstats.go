package deliver

import (
	"sync/atomic"
	"syscall"
)

// UDPDrop says why a datagram was not sent.
type UDPDrop uint8

// The reasons, as they stand in logs and as metric labels.
const (
	DropNoBuffer    UDPDrop = iota // the system had no memory, or its queue for the device was full
	DropTooBig                     // longer than a datagram can be
	DropUnreachable                // its destination refused or cannot be reached
	udpDrops
)

var udpDropNames = [udpDrops]string{"no_buffer", "too_big", "unreachable"}

// String gives the reason as a metric label.
func (d UDPDrop) String() string {
	if d < udpDrops {
		return udpDropNames[d]
	}
	return "unknown"
}

// UDPDrops lists all reasons.
func UDPDrops() []UDPDrop { return []UDPDrop{DropNoBuffer, DropTooBig, DropUnreachable} }

// UDPTotals are the counts of a pool's UDP viewers since New.
type UDPTotals struct {
	Viewers   int64  // attached now
	Paused    int64  // of these, waiting until they are tried again
	Datagrams uint64 // sent
	Messages  uint64 // of one datagram or several that the kernel or the device cut
	Calls     uint64 // of sendmmsg
	Full      uint64 // times that a socket's buffer was full and was tried again
	Retries   uint64 // of destinations that had failed
	Dropped   [udpDrops]uint64
}

// UDPStats sums up the workers' counts.
func (p *Pool) UDPStats() UDPTotals {
	var t UDPTotals
	for _, w := range p.workers {
		c := &w.udp.totals
		t.Viewers += c.viewers.Load()
		t.Paused += c.paused.Load()
		t.Datagrams += c.datagrams.Load()
		t.Messages += c.messages.Load()
		t.Calls += c.calls.Load()
		t.Full += c.full.Load()
		t.Retries += c.retries.Load()
		for i := range c.dropped {
			t.Dropped[i] += c.dropped[i].Load()
		}
	}
	return t
}

// UDPState is how a UDP viewer fares.
type UDPState struct {
	Datagrams uint64
	Dropped   uint64
	Retries   uint64        // times that it was tried again
	Paused    bool          // until it is tried again
	Reason    syscall.Errno // why it was paused last; its zero value is never
}

// UDP tells how the viewer fares; false of a viewer that is not sent datagrams.
func (v *Viewer) UDP() (UDPState, bool) {
	d := v.udp
	if d == nil {
		return UDPState{}, false
	}
	return UDPState{
		Datagrams: d.counts.datagrams.Load(), Dropped: d.counts.dropped.Load(), Retries: d.counts.retries.Load(),
		Paused: d.counts.paused.Load(), Reason: syscall.Errno(d.counts.reason.Load()),
	}, true
}

// udpCounts are written by the viewer's worker and read by others.
type udpCounts struct {
	datagrams, dropped, retries atomic.Uint64
	paused                      atomic.Bool
	reason                      atomic.Uint32
}

// count counts a message of n bytes that is in the socket's batch: the kernel takes nearly
// all, and by then the viewer has left the processor's cache.
func (d *datagrams) count(v *Viewer, n, datagrams int) {
	v.count.bytes.Add(uint64(n))
	v.count.sends.Add(1)
	d.counts.datagrams.Add(uint64(datagrams))
}

// uncount takes count back, of a message that was not sent.
func (d *datagrams) uncount(v *Viewer, n, datagrams int) {
	v.count.bytes.Add(-uint64(n))
	v.count.sends.Add(^uint64(0))
	d.counts.datagrams.Add(-uint64(datagrams))
}

type udpSums struct {
	viewers, paused                           atomic.Int64
	datagrams, messages, calls, full, retries atomic.Uint64
	dropped                                   [udpDrops]atomic.Uint64
}
