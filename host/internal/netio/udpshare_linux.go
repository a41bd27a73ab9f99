package netio

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// SharedUDP is a socket of a listener by which others may send to peers of its flows,
// from the address and port that these have dialled. It is comparable.
type SharedUDP struct{ socket *udpSocket }

// Duplicate gives another descriptor of the socket, which the caller closes: the address
// stays taken until then.
func (s SharedUDP) Duplicate() (fd int, err error) {
	control := s.socket.raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if control != nil {
		return 0, fmt.Errorf("share a socket: %w", control)
	}
	return fd, err
}

// Share gives the socket that Send uses and the address that datagrams must come from;
// false where it is bound to another port, and only Send can reach the peer, or where the
// flow has no peer.
func (f *Flow) Share() (s SharedUDP, from netip.Addr, ok bool) {
	if f.table == nil {
		return SharedUDP{}, netip.Addr{}, false
	}
	home := f.from.Load()
	if home.anchor != nil {
		home = home.anchor // it lives as long as the listener
	}
	if f.id.localPort != home.local.Port() {
		return SharedUDP{}, netip.Addr{}, false
	}
	if local := f.local.Addr(); !local.IsMulticast() && local != broadcast {
		from = local
	}
	return SharedUDP{home}, from, true
}
