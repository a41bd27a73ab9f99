//go:build unix

package inherit

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// take makes files of the announced descriptors, which no child gets, and removes the variables.
func take() []*os.File { return activation.Files(true) }

func clearEnviron() {
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // never fails on unix
	}
}

// look asks the kernel what a descriptor is.
func look(f *os.File) (*Socket, error) {
	fd := int(f.Fd())
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("not a socket: %w", err)
	}
	listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	switch {
	case err != nil:
		return nil, err
	case kind == unix.SOCK_STREAM && listens == 0:
		return nil, errors.New("a connection, not a listening socket; the socket unit needs Accept=no")
	case kind != unix.SOCK_STREAM && kind != unix.SOCK_DGRAM:
		return nil, errors.New("neither TCP nor UDP")
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	x := &Socket{UDP: kind == unix.SOCK_DGRAM, file: f}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		x.Address = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return nil, err
		}
		x.Address = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		x.both = only == 0 && x.Address.Addr().IsUnspecified()
	default:
		return nil, errors.New("neither IPv4 nor IPv6")
	}
	return x, nil
}
