package netio

import "sync/atomic"

// UDPDrop says why a datagram reached no flow.
type UDPDrop uint8

// The reasons.
const (
	DropUnknown UDPDrop = iota + 1 // of no flow, and matches no pattern
	DropRefused                    // of a flow that its plugin refused
	DropFull                       // of a new flow, and none of MaxFlows is idle
	DropClosing                    // of a new flow, after Stop
	DropKernel                     // the socket's buffer was full
	udpDrops
)

var udpDropNames = [udpDrops]string{"none", "unknown", "refused", "full", "closing", "kernel"}

// String is the reason's metric label.
func (d UDPDrop) String() string {
	if d < udpDrops {
		return udpDropNames[d]
	}
	return "invalid"
}

// UDPDrops lists every UDPDrop, in order, for those who make labels of them.
func UDPDrops() []UDPDrop {
	return []UDPDrop{DropUnknown, DropRefused, DropFull, DropClosing, DropKernel}
}

// The rungs of UDPStats that need no Spreader.
const (
	RungHash = "hash" // the kernel's hash over several sockets
	RungOne  = "one"  // one socket
)

// UDPStats is a snapshot of a UDPListener: what it is now, and its counters
// since ListenUDP.
type UDPStats struct {
	Rung     string // how datagrams are spread over the workers; of several addresses the lowest
	Workers  int    // sockets of all addresses that get new flows
	Draining int    // sockets that keep flows of the generation before
	Flows    int    // open

	Datagrams  uint64 // received, dropped ones included, except the kernel's
	Bytes      uint64 // of their payloads
	Opened     uint64 // flows, with those refused
	Refusals   uint64 // flows that their plugin refused
	Moved      uint64 // flows whose datagrams came to another worker than before
	Sent       uint64 // datagrams
	SendErrors uint64
	ReadErrors uint64           // failed reads, each followed by a pause; the first of each kind is logged
	Ended      [flowEnds]uint64 // flows, indexed by FlowEnd
	Dropped    [udpDrops]uint64 // datagrams, indexed by UDPDrop
}

// udpCounters are the live values behind UDPStats.
type udpCounters struct {
	datagrams, bytes, opened, refusals, moved, sent, sendErrors, readErrors atomic.Uint64

	ended   [flowEnds]atomic.Uint64
	dropped [udpDrops]atomic.Uint64
}

func (c *udpCounters) snapshot() UDPStats {
	s := UDPStats{
		Datagrams:  c.datagrams.Load(),
		Bytes:      c.bytes.Load(),
		Opened:     c.opened.Load(),
		Refusals:   c.refusals.Load(),
		Moved:      c.moved.Load(),
		Sent:       c.sent.Load(),
		SendErrors: c.sendErrors.Load(),
		ReadErrors: c.readErrors.Load(),
	}
	for i := range c.ended {
		s.Ended[i] = c.ended[i].Load()
	}
	for i := range c.dropped {
		s.Dropped[i] = c.dropped[i].Load()
	}
	return s
}
