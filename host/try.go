package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/netio/inherit"
)

// tryAddresses tells which addresses of listeners that come could not be bound. It takes
// none: a plan changes nothing.
func (x *proposal) tryAddresses(s *Server) error {
	var all []error
	for _, step := range x.listeners {
		if step.action == admin.Removed || !step.now.Enabled || step.flips() || step.now.Steer == config.SteerRequire {
			continue
		}
		for _, a := range step.now.Addresses {
			if x.isAtHand(s, step.now, a) {
				continue
			}
			err := tryBind(step.now.UDP, a)
			if err == nil || step.now.Steer != config.SteerOff && steers(err) && narrower(step.now, a) {
				continue // or steering may help, which apply finds out
			}
			all = append(all, x.now.Problem(s.listenError(step.now, err, "then plan it again").Error(), "listeners", step.now.Name))
			break
		}
	}
	return errors.Join(all...)
}

// isAtHand tells whether a listener can have an address without binding it anew, or is
// let in by those who give it up.
func (x *proposal) isAtHand(s *Server, c config.Listener, a netip.AddrPort) bool {
	if c.UDP && slices.ContainsFunc(x.displaced, func(l *listening) bool { return l.hasDatagramsAt([]netip.AddrPort{a}) }) {
		return true
	}
	for _, step := range x.listeners {
		l := s.listeners[step.old.Name]
		if l == nil || !l.isOpen() || l.config.UDP != c.UDP {
			continue
		}
		meets := func(t *net.TCPListener) bool { return meet(addressOf(t), a) }
		if l.hasDatagramsAt([]netip.AddrPort{a}) || l.tcp != nil && slices.ContainsFunc(l.tcp.Sockets(), meets) {
			return true
		}
	}
	return slices.ContainsFunc(s.inheritedSockets(), func(i *inherit.Socket) bool { return i.Fits(c.Name, c.UDP, a) })
}

// errTried ends an attempt whose address is free.
var errTried = errors.New("the address can be bound")

// tryBind binds an address for a moment, without listening, so that nobody who connects
// meanwhile is refused otherwise than before. An error is a *netio.BindError.
func tryBind(udp bool, a netip.AddrPort) error {
	var bound error
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		if err := c.Control(func(fd uintptr) { bound = unix.Bind(int(fd), sockaddr(a)) }); err != nil {
			return err
		}
		return errTried // has the socket closed
	}}
	lc.SetMultipathTCP(false)
	var err error
	if udp {
		_, err = lc.ListenPacket(context.Background(), network("udp", a), a.String())
	} else {
		_, err = lc.Listen(context.Background(), network("tcp", a), a.String())
	}
	if errors.Is(err, errTried) {
		err = bound
	}
	if err == nil {
		return nil
	}
	be := &netio.BindError{Address: a, Err: err}
	errors.As(err, &be.Errno)
	return be
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	to := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if on, err := net.InterfaceByName(a.Addr().Zone()); err == nil {
		to.ZoneId = uint32(on.Index)
	}
	return to
}
