package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// BindError says which address could not be listened on. It unwraps to the
// cause, so that errors.Is(err, syscall.EADDRINUSE) works.
type BindError struct {
	Address netip.AddrPort
	Errno   syscall.Errno // 0 if the system gave none
	Err     error
}

// Error names the address and the cause.
func (e *BindError) Error() string {
	cause := e.Err
	if e.Errno != 0 {
		cause = e.Errno
	}
	return fmt.Sprintf("listen on %s: %v", e.Address, cause)
}

// Unwrap gives the cause.
func (e *BindError) Unwrap() error { return e.Err }

// Bind opens one socket for each address, or none. Each socket serves its own
// family alone: "::" does not cover IPv4. An error is a *BindError.
func Bind(addresses []netip.AddrPort) ([]*net.TCPListener, error) {
	lc := listenConfig
	lc.SetMultipathTCP(false) // SOCKMAP refuses MPTCP sockets
	bound := make([]*net.TCPListener, 0, len(addresses))
	for _, a := range addresses {
		ln, err := bindOne(&lc, a)
		if err != nil {
			for _, b := range bound {
				b.Close()
			}
			return nil, err
		}
		bound = append(bound, ln)
	}
	return bound, nil
}

func bindOne(lc *net.ListenConfig, a netip.AddrPort) (*net.TCPListener, error) {
	if !a.IsValid() {
		return nil, &BindError{Address: a, Err: errors.New("invalid address")}
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	network := "tcp6"
	if a.Addr().Is4() {
		network = "tcp4"
	}
	ln, err := lc.Listen(context.Background(), network, a.String())
	if err != nil {
		be := &BindError{Address: a, Err: err}
		errors.As(err, &be.Errno)
		return nil, be
	}
	return ln.(*net.TCPListener), nil
}

// addrPort converts what a TCP socket calls its address.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
