package netio

import (
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ErrTooManyPeers is the cause when no further flow to a peer can be had.
var ErrTooManyPeers = errors.New("too many flows to peers")

// PeerOptions describe a flow to a peer.
type PeerOptions struct {
	Local  netip.Addr     // of this computer, the one that the peer knows
	Remote netip.AddrPort // where datagrams go, and come from
	Odd    bool           // from the upper one of the two ports
	// Low and High bound the ports at Local; 0: the system chooses. In the range there
	// must be an even port with the one above it.
	Low, High uint16
}

// Peers opens flows to peers that have not sent anything yet, as those that another
// protocol has told of. All flows from one address share two sockets, an even port and the
// one above it (RFC 3550 11), which are opened with the first and stay until Close. What
// comes from anybody else is dropped. The zero value is ready; it is safe for concurrent
// use, and whoever has it calls Close once.
type Peers struct {
	Log *slog.Logger // nil: none

	mu     sync.Mutex
	pairs  map[pairKey]*UDPListener
	closed bool
}

// pairKey tells pairs of sockets apart.
type pairKey struct {
	local     netip.Addr
	low, high uint16
}

const (
	// peersName is the listener's name of such flows, for status and logs.
	peersName = "peers"
	// maxPeers bounds the flows of one pair. Chosen: two for each session of a plugin.
	maxPeers = 1 << 17
	// forever is the idle time of flows that end with their sessions.
	forever = time.Duration(math.MaxInt64)
)

// Addrs gives the addresses that are open, sorted.
func (p *Peers) Addrs() (all []netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.pairs {
		all = append(all, l.Addrs()...)
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all
}

// nobody refuses flows: those of Peers begin with Dial.
type nobody struct{}

func (nobody) ServeFlow(*Flow, string, []byte) FlowSink { return nil }
