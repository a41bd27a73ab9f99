package host

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/netio"
)

// ownSockets are those of listeners that a change replaces, for the listeners that
// come: an address moves to another listener, or gets another one's TLS, without a
// moment in which nobody has it, and stays where it is if the change is given up.
type ownSockets struct {
	old    []*listening
	shared map[*net.TCPListener]bool // that have been taken
}

// TakeTCP gives a second descriptor of the socket at an address. Where only a socket at
// a wider or narrower address is in the way, it binds beside that.
func (o *ownSockets) TakeTCP(_ string, a netip.AddrPort) (*net.TCPListener, bool) {
	var beside []*net.TCPListener
	for _, l := range o.old {
		if l.tcp == nil {
			continue
		}
		for _, s := range l.tcp.Sockets() {
			at := addressOf(s)
			switch {
			case at == a:
				again, err := twice(s)
				if err != nil {
					return nil, false
				}
				o.shared[s] = true
				return again, true
			case meet(at, a):
				beside = append(beside, s)
			}
		}
	}
	if len(beside) == 0 {
		return nil, false
	}
	return bindBeside(a, beside)
}

// TakeUDP binds one socket beside those of an address's workers, who may not enter the
// map of another generation's: the kernel chooses among all of them by the program that
// was attached last.
func (o *ownSockets) TakeUDP(_ string, a netip.AddrPort) ([]*net.UDPConn, bool) {
	if !o.hasDatagrams(a) {
		return nil, false
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return reuseRaw(c, 1) }} // netio's have it too
	conn, err := lc.ListenPacket(context.Background(), network("udp", a), a.String())
	if err != nil {
		return nil, false
	}
	return []*net.UDPConn{conn.(*net.UDPConn)}, true
}

func (o *ownSockets) hasDatagrams(a netip.AddrPort) bool { return len(o.datagramsAt(a)) > 0 }

// datagramsAt gives the UDP listeners with sockets at any of these addresses.
func (o *ownSockets) datagramsAt(addresses ...netip.AddrPort) (all []*listening) {
	for _, l := range o.old {
		if l.hasDatagramsAt(addresses) {
			all = append(all, l)
		}
	}
	return all
}

func (l *listening) hasDatagramsAt(addresses []netip.AddrPort) bool {
	return slices.ContainsFunc(l.udp, func(u *netio.UDPListener) bool { return meetAny(u.Addrs(), addresses) })
}

// isGiven tells whether the socket at an address was opened elsewhere.
func (o *ownSockets) isGiven(udp bool, a netip.AddrPort) bool {
	return slices.ContainsFunc(o.old, func(l *listening) bool { return l.config.UDP == udp && slices.Contains(l.place.given, a) })
}

// network names the protocol with the address's family.
func network(protocol string, a netip.AddrPort) string {
	if a.Addr().Is4() {
		return protocol + "4"
	}
	return protocol + "6"
}

// isMoved tells whether all sockets of a listener go on in another's hands.
func (o *ownSockets) isMoved(l *listening) bool {
	return !slices.ContainsFunc(l.tcp.Sockets(), func(s *net.TCPListener) bool { return !o.shared[s] })
}

func twice(s *net.TCPListener) (*net.TCPListener, error) {
	f, err := s.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	again, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return again.(*net.TCPListener), nil
}

// bindBeside binds an address that overlaps with those of our own sockets: all get
// SO_REUSEPORT, which the kernel looks at while it binds. Until the old ones close, each
// connection goes to the socket whose address is the narrower.
func bindBeside(a netip.AddrPort, others []*net.TCPListener) (*net.TCPListener, bool) {
	for _, s := range others {
		if reuse(s, 1) != nil {
			return nil, false
		}
		defer reuse(s, 0) //nolint:errcheck // it has just been set
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return reuseRaw(c, 1) }}
	lc.SetMultipathTCP(false) // SOCKMAP refuses MPTCP sockets
	ln, err := lc.Listen(context.Background(), network("tcp", a), a.String())
	if err != nil {
		return nil, false
	}
	bound := ln.(*net.TCPListener)
	_ = reuse(bound, 0) // it was for the moment of binding
	return bound, true
}

func reuse(s *net.TCPListener, on int) error {
	c, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return reuseRaw(c, on)
}

func reuseRaw(c syscall.RawConn, on int) error {
	var failed error
	if err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, on) }); err != nil {
		return err
	}
	return failed
}

func newOwnSockets() *ownSockets { return &ownSockets{shared: map[*net.TCPListener]bool{}} }
