package deliver

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/weir-media/weir/host/internal/dgram"
)

const (
	// maxDatagram is what UDP's length and IPv4's leave (RFC 768, RFC 791).
	maxDatagram = 65507
)

// AttachUDP describes a viewer that is sent datagrams: a peer of a UDP listener, a
// configured address, or a multicast group with whoever listens. It is served by the
// same workers and rounds as the others. Nothing is read from it.
type AttachUDP struct {
	Attach // FD, Leftover and Head are not used

	To netip.AddrPort // where datagrams go
	// Segment is how many bytes of the rendition's run make a datagram, whatever its
	// packets; 0: each packet is one.
	Segment int
	First   [][]byte // sent before anything else, a datagram each, or cut at Segment; shared
	Socket  UDPSocket
	// Lasting keeps the viewer when it cannot be sent to: it is tried again after a
	// pause, with the newest key packet. Without it such a viewer ends.
	Lasting bool
}

// UDPSocket says by which socket datagrams go. Viewers of one worker that say the
// same, and have the same Segment, share one. The zero value: a socket of the pool's own, of the system's choice.
type UDPSocket struct {
	TTL       int    // hops; -1 or less: the system's choice
	Interface string // name; empty: as the system routes
	Quiet     bool   // a group's datagrams are not looped back to this machine
	// Shared is a socket of another owner, such as a listener's. It must be comparable.
	Shared SharedSocket
	From   netip.Addr // of Shared: the address that datagrams come from; invalid: the system's choice
}

// SharedSocket gives a descriptor of a bound UDP socket that its caller closes. Its owner
// has set IP_RECVERR, and knows that the pool may read the error queue too.
type SharedSocket interface{ Duplicate() (fd int, err error) }

var sharedSeed = maphash.MakeSeed()

// AttachUDP has the pool send to a destination. The socket is opened if no viewer of
// the worker has one like it; an error says why it cannot be.
func (p *Pool) AttachUDP(a AttachUDP) (*Viewer, error) {
	switch {
	case a.Log == nil:
		return nil, errors.New("deliver: attach: no log")
	case !a.To.IsValid() || a.To.Port() == 0:
		return nil, fmt.Errorf("deliver: attach: %v is no destination for datagrams", a.To)
	case a.Segment < 0 || a.Segment > maxDatagram:
		return nil, fmt.Errorf("deliver: attach: datagrams of %d bytes; %d are possible", a.Segment, maxDatagram)
	}
	a.To = netip.AddrPortFrom(a.To.Addr().Unmap(), a.To.Port())
	burst := a.BurstRate
	a.Head, a.Leftover, a.BurstRate = nil, nil, 0
	w := p.workers[int(p.turn.Add(1)-1)%len(p.workers)]
	if a.Socket.Shared != nil { // one worker hears what ICMP says of its peers
		w = p.workers[maphash.Comparable(sharedSeed, a.Socket.Shared)%uint64(len(p.workers))]
	}
	socket, err := w.udp.table.open(w.poller, a.Socket, a.To.Addr(), a.Segment)
	if err != nil {
		return nil, fmt.Errorf("deliver: attach: open socket: %w", err)
	}
	v := newViewer(w, a.Attach)
	v.fd = -1
	v.udp = newDatagrams(&a, socket, burst)
	if !w.inbox.put(&letter{viewer: v, order: orderAttach, by: a.By}) {
		w.udp.table.release(w.poller, socket)
		return nil, ErrClosed
	}
	w.poke()
	return v, nil
}

// datagrams is what a UDP viewer has more than others. Its worker owns it, but for
// counts.
type datagrams struct {
	socket  *udpSocket
	to      netip.AddrPort
	name    dgram.Name
	segment int
	first   []message
	lasting bool
	plain   bool // no UDP_SEGMENT: the way to the destination refuses it
	burst   float64
	place   int // index in socket.viewers

	bucket  bucket
	rest    uint64        // place in the log up to which all was sent but a part of a datagram; 0: none is kept
	restAt  time.Duration // since when that part waits
	wake    time.Duration // of an entry in udpWorker.waiting; 0: there is none
	failing failing
	counts  udpCounts
}

// cutAt has the bytes of another log's run make datagrams of segment bytes.
func (d *datagrams) cutAt(segment int) {
	d.segment, d.rest = segment, 0
	d.plain = false // another size may be cut
}

// message is a datagram that is sent before the next packet, or is cut into several.
type message struct {
	b    []byte
	owed int // part of Viewer.owes
}

func newDatagrams(a *AttachUDP, s *udpSocket, burst float64) *datagrams {
	d := &datagrams{
		socket: s, to: a.To, segment: a.Segment, lasting: a.Lasting, place: aside,
		bucket: bucket{tokens: bucketBytes, size: bucketBytes}, burst: burst,
	}
	if d.burst <= 0 {
		d.burst = burstRate
	}
	for _, b := range a.First {
		d.first = append(d.first, message{b: b})
	}
	d.name.PutAddrPort(a.To)
	return d
}
