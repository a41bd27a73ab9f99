package netio

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/dgram"
)

// readErrors empties a socket's error queue, and ends the kept flows of the peers that want
// no more. What ICMP says comes to any of the sockets that share an address, whichever sent.
func (s *udpSocket) readErrors(fd uintptr) {
	var l *UDPListener
	if s.reader != nil {
		l, _ = s.reader.sink.(*UDPListener)
	}
	dgram.ReadErrors(fd, func(to netip.AddrPort, why unix.Errno) {
		if l == nil || l.options.Patient || !dgram.Refuses(why) {
			return
		}
		for _, f := range l.table.refusing(to.Addr().As16(), to.Port()) {
			f.finish(FlowRefused)
		}
	})
}

// refusing gives the kept flows of a peer: others send it so little that its refusal says
// nothing.
func (t *flowTable) refusing(remote [16]byte, port uint16) (flows []*Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := t.kept.newest; f != nil; f = f.age.older {
		if f.id.remotePort == port && f.id.remote == remote {
			flows = append(flows, f)
		}
	}
	return flows
}
