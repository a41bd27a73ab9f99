package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpSocket is one socket of a UDP listener, or of a group.
type udpSocket struct {
	conn     *net.UDPConn
	raw      syscall.RawConn
	local    netip.AddrPort // bound to
	v6       bool
	anchor   *udpSocket   // of the same address, which outlives it; nil: itself
	group    bool         // receives for a group: the anchor sends
	flows    atomic.Int64 // whose last datagram came here
	retiring atomic.Bool  // flows have left, or are about to
	others   *replies     // for replies from addresses and ports that it is not bound to
	sender   sender
	reader   *udpReader
}

// bindUDP opens a socket for an address. The first of several (anchor nil) must
// have the address for itself; the others share it with the anchor.
func bindUDP(a netip.AddrPort, anchor *udpSocket) (*udpSocket, error) {
	if !a.IsValid() {
		return nil, &BindError{Address: a, Err: errors.New("invalid address")}
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	var lc net.ListenConfig
	if anchor != nil {
		lc.Control = func(_, _ string, c syscall.RawConn) error { return setInt(c, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
	}
	conn, err := lc.ListenPacket(context.Background(), udpNetwork(a.Addr()), a.String())
	if err != nil {
		be := &BindError{Address: a, Err: err}
		errors.As(err, &be.Errno)
		return nil, be
	}
	s, err := newUDPSocket(conn.(*net.UDPConn))
	if err != nil {
		return nil, &BindError{Address: a, Err: err}
	}
	s.anchor = anchor
	return s, nil
}

func udpNetwork(a netip.Addr) string {
	if a.Is4() {
		return "udp4"
	}
	return "udp6"
}

// newUDPSocket takes over a bound socket and makes it tell what reading needs
// to know. After an error it is closed.
func newUDPSocket(conn *net.UDPConn) (*udpSocket, error) {
	s := &udpSocket{conn: conn, local: udpAddrPort(conn.LocalAddr())}
	s.v6 = !s.local.Addr().Is4()
	raw, err := conn.SyscallConn()
	s.raw = raw
	if err == nil {
		err = s.prepare()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	s.sender.init(s)
	return s, nil
}

func (s *udpSocket) prepare() error {
	errs := []error{
		// Others may share an address only with its consent, after it was bound.
		setInt(s.raw, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		setInt(s.raw, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1),
	}
	if s.v6 {
		errs = append(errs, setInt(s.raw, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1), setInt(s.raw, unix.IPPROTO_IPV6, unix.IPV6_RECVORIGDSTADDR, 1),
			// Replies from an address of a prefix that is routed here but on no interface.
			setInt(s.raw, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1))
		setInt(s.raw, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0) //nolint:errcheck // kernels before 4.20 lack it
	} else {
		errs = append(errs, setInt(s.raw, unix.IPPROTO_IP, unix.IP_RECVERR, 1), setInt(s.raw, unix.IPPROTO_IP, unix.IP_RECVORIGDSTADDR, 1),
			setInt(s.raw, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0))
	}
	return errors.Join(errs...)
}

// buffer asks for room; without CAP_NET_ADMIN the system's limit holds.
func (s *udpSocket) buffer(bytes int) {
	if setInt(s.raw, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
		setInt(s.raw, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes) //nolint:errcheck // then it stays as the system has it
	}
}

// dropped is how many datagrams the kernel has dropped so far, for another process too if
// the socket is inherited; 0 if it does not tell (kernels before 4.12).
func (s *udpSocket) dropped() uint32 {
	const drops, all = 8, 9 // SK_MEMINFO_DROPS, SK_MEMINFO_VARS (linux/sock_diag.h)
	var info [all]uint32
	size := uint32(unsafe.Sizeof(info))
	s.raw.Control(func(fd uintptr) { //nolint:errcheck // a closed socket tells when it is read
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0) //nolint:errcheck // likewise
	})
	return info[drops]
}

// gather lets the kernel hand over datagrams of one sender in one piece, where
// it can; kernels before 5.0 cannot.
func (s *udpSocket) gather() {
	setInt(s.raw, unix.IPPROTO_UDP, unix.UDP_GRO, 1) //nolint:errcheck // an optimisation
}

// reply sends from the address that the peer dialled.
func (s *udpSocket) reply(id *flowID, b []byte) error {
	home := s
	if s.group {
		home = s.anchor
	}
	if id.localPort != home.local.Port() {
		return home.others.send(id, b)
	}
	err := home.sender.send(id, b)
	if errors.Is(err, net.ErrClosed) && home.anchor != nil {
		return home.anchor.sender.send(id, b)
	}
	return err
}

func setInt(c syscall.RawConn, level, name, value int) (err error) {
	control := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, value) })
	return errors.Join(control, err)
}

func udpAddrPort(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
