package netio

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// The defaults of UDPOptions: chosen.
const (
	DefaultFlowIdle   = 30 * time.Second
	DefaultMaxFlows   = 4096
	DefaultDrainLimit = 30 * time.Second
	DefaultReadBuffer = 4 << 20 // bytes for each socket: 30 ms of 1 Gbit/s
)

// MaxWorkers bounds the worker sockets of one address: chosen, more than a
// machine has use for.
const MaxWorkers = 64

// ErrNotMulticast is the cause when a group's address is no multicast address.
var ErrNotMulticast = errors.New("not a multicast address")

// UDPHandler takes the flows of a UDP listener.
type UDPHandler interface {
	// ServeFlow takes a flow whose first datagram, first, matched a pattern of
	// plugin. It comes again as the first of the sink's Datagrams. nil refuses:
	// the flow's datagrams are dropped for a while, and counted. It is called by
	// the goroutine that reads the socket, several at once for different flows,
	// and must not block. first is valid during the call.
	ServeFlow(f *Flow, plugin string, first []byte) FlowSink
}

// FlowSink takes what a flow receives. Calls for one flow never overlap.
type FlowSink interface {
	// Datagrams takes payloads, one after another in b, of the given sizes in
	// bytes, in the order of their arrival. Both slices are valid during the
	// call. The goroutine that reads the socket calls it: it must not block.
	Datagrams(sizes []int, b []byte)
	// Ended is the last call, exactly one.
	Ended(reason FlowEnd)
}

// Spreader chooses the worker socket of each datagram, by what tells flows
// apart. It serves one UDPListener, whose addresses are groups, each of sockets
// bound alike with SO_REUSEPORT. The listener closes it. Not safe for
// concurrent use.
type Spreader interface {
	// Attach takes over a group by its first socket, bound. length bytes of the
	// payload from offset on are the flow's id; length 0: the addresses and ports.
	// The rung it found possible is for log and status; generations tells whether
	// Begin keeps known flows where they are.
	Attach(group int, first syscall.RawConn, offset, length int) (rung string, generations bool, err error)
	// Begin makes sockets the workers for new flows. With generations, they are
	// others than before, and flows known to those before stay there until Retire;
	// a third generation cannot begin before it. Without generations, sockets are
	// all of the group's workers from its first on, in the order of their binding.
	Begin(group int, sockets []syscall.RawConn) error
	// Retire ends the older generation: once it returns, no datagram reaches those
	// sockets, which may be of a later generation then.
	Retire(group int) error
	// Close releases all groups. Their sockets stay open.
	Close() error
}

// FlowKey says by what flows are told apart besides their addresses: Length
// bytes of the payload, up to 8, from Offset on. The zero value: by nothing
// else. All datagrams of the same id go to the same worker.
type FlowKey struct{ Offset, Length int }

// Membership is one multicast group that a UDP listener receives, on the ports
// of its addresses of the same family.
type Membership struct {
	Group     netip.Addr
	Interface string // name; empty: as the system routes the group
}

// UDPOptions describe a UDPListener. Zero durations and sizes mean the
// defaults.
type UDPOptions struct {
	Name      string           // for logs and Flow
	Addresses []netip.AddrPort // each of its own family; port 0: any
	// Sockets are served besides Addresses, and before them in order: of each
	// address all, as another listener's Sockets gave them, which reads them no
	// more. They are the UDPListener's from then on, also when ListenUDP fails.
	Sockets  [][]*net.UDPConn
	Workers  int // sockets of each address, each with its goroutine; 0: 1
	Key      FlowKey
	Groups   []Membership
	Raw      []Pattern // the first routes; see SetRoutes
	Handler  UDPHandler
	Patient  bool     // a peer that refuses (ICMP) ends no flow
	Spreader Spreader // nil: one socket, or the kernel's hash over several

	IdleTimeout time.Duration // without datagrams from the peer
	DrainLimit  time.Duration // for which flows stay with their worker after Flip
	MaxFlows    int
	ReadBuffer  int // bytes of each socket
	Log         *slog.Logger
}
