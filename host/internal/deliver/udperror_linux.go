package deliver

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/dgram"
)

// happened reads what ICMP said.
func (u *udpWorker) happened(slot uint32) {
	if s := u.table.find(slot &^ udpSlots); s != nil {
		u.readErrors(s)
	}
}

// readErrors reads a socket's error queue: the destinations that it names have failed. A
// group is never one of them: whoever answers is one of many.
func (u *udpWorker) readErrors(s *udpSocket) {
	dgram.ReadErrors(uintptr(s.fd), func(to netip.AddrPort, why unix.Errno) {
		switch {
		case why == unix.EMSGSIZE: // the kernel has learned the way's size, and the next send tells
		case to.Addr().IsMulticast():
		default:
			u.unreachable(s, to, why)
		}
	})
}

// unreachable fails the viewers at a destination.
func (u *udpWorker) unreachable(s *udpSocket, to netip.AddrPort, why unix.Errno) {
	u.table.mu.Lock()
	sockets := u.table.alike(s)
	u.table.mu.Unlock()
	for _, s := range sockets {
		for _, v := range s.viewers {
			if v.udp.to.Port() == to.Port() && v.udp.to.Addr().WithZone("") == to.Addr() {
				u.drop(v, DropUnreachable, 1)
				u.fail(v, why, false)
			}
		}
	}
}
