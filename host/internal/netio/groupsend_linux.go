package netio

import (
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialGroup connects a socket, whose options are set before, since the interface decides
// which local address it gets (ip(7), IP_MULTICAST_IF).
func dialGroup(o SendOptions) (*net.UDPConn, error) {
	index, to := 0, o.To.String()
	if o.Interface != "" {
		i, err := net.InterfaceByName(o.Interface)
		if err != nil {
			return nil, ErrNoInterface
		}
		if index = i.Index; o.To.Addr().IsLinkLocalMulticast() && o.To.Addr().Is6() {
			to = net.JoinHostPort(o.To.Addr().WithZone(o.Interface).String(), strconv.Itoa(int(o.To.Port())))
		}
	}
	network := "udp4"
	if o.To.Addr().Is6() {
		network = "udp6"
	}
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		control := c.Control(func(fd uintptr) { err = prepareSender(int(fd), o, index) })
		return errors.Join(control, err)
	}}
	c, err := d.Dial(network, to)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func prepareSender(fd int, o SendOptions, index int) error {
	loop := 0
	if o.Loopback {
		loop = 1
	}
	level, hops, looping := unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, unix.IP_MULTICAST_LOOP
	if o.To.Addr().Is6() {
		level, hops, looping = unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, unix.IPV6_MULTICAST_LOOP
	}
	if err := unix.SetsockoptInt(fd, level, hops, o.TTL); err != nil {
		return os.NewSyscallError("setsockopt ttl", err)
	}
	if err := unix.SetsockoptInt(fd, level, looping, loop); err != nil {
		return os.NewSyscallError("setsockopt loopback", err)
	}
	switch {
	case index == 0:
		return nil
	case o.To.Addr().Is6():
		return os.NewSyscallError("setsockopt interface", unix.SetsockoptInt(fd, level, unix.IPV6_MULTICAST_IF, index))
	}
	return os.NewSyscallError("setsockopt interface", unix.SetsockoptIPMreqn(fd, level, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)}))
}
