package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/dgram"
)

// JoinGroup opens a socket for a group. Other programs on this computer may
// receive the same group. The flow has no peer: Send fails. It receives once
// Start was called, and is the caller's to close. A failure to bind is a
// *BindError, a missing interface a *GroupError.
func JoinGroup(o GroupOptions) (*Flow, error) {
	o.Group = netip.AddrPortFrom(o.Group.Addr().Unmap(), o.Group.Port())
	o.Source = o.Source.Unmap()
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = DefaultReadBuffer
	}
	var s *udpSocket
	var err error
	if o.Group.Addr().IsMulticast() {
		s, err = bindGroup(o.Group)
		if err == nil {
			err = s.join(o.Group.Addr(), o.Interface, o.Source)
		}
	} else {
		s, err = bindUDP(o.Group, nil)
	}
	if err != nil {
		if s != nil {
			s.conn.Close()
		}
		return nil, err
	}
	s.buffer(o.ReadBuffer)
	s.gather()
	f := &Flow{local: s.local}
	f.from.Store(s)
	return f, nil
}

// bindGroup opens a socket bound to a group, which others may do as well.
func bindGroup(group netip.AddrPort) (*udpSocket, error) {
	conn, err := listenGroup(group)
	if err == nil {
		var s *udpSocket
		if s, err = newUDPSocket(conn); err == nil {
			return s, nil
		}
	}
	be := &BindError{Address: group, Err: err}
	errors.As(err, &be.Errno)
	return nil, be
}

// listenGroup binds to the group itself: package net would bind to all
// addresses, and what is sent to this computer's own would come too.
func listenGroup(group netip.AddrPort) (*net.UDPConn, error) {
	family, all := unix.AF_INET, [2]int{unix.IPPROTO_IP, unix.IP_MULTICAST_ALL}
	if group.Addr().Is6() {
		family, all = unix.AF_INET6, [2]int{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "udp "+group.String())
	defer file.Close()
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}
	if err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if family == unix.AF_INET6 {
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	// Before it is bound, lest groups come that other programs joined. Kernels before 4.20 lack it for IPv6.
	if err = unix.SetsockoptInt(fd, all[0], all[1], 0); err != nil && family == unix.AF_INET {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	var to unix.Sockaddr = &unix.SockaddrInet4{Port: int(group.Port()), Addr: [4]byte(group.Addr().AsSlice()[:4])}
	if family == unix.AF_INET6 {
		to = &unix.SockaddrInet6{Port: int(group.Port()), Addr: group.Addr().As16()}
	}
	if err = unix.Bind(fd, to); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// join makes the socket a member of a group on an interface.
func (s *udpSocket) join(group netip.Addr, name string, source netip.Addr) error {
	var index int
	if name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return &GroupError{Group: group, Interface: name, Err: ErrNoInterface}
		}
		index = i.Index
	}
	level := unix.IPPROTO_IP
	if s.v6 {
		level = unix.IPPROTO_IPV6
	}
	option, request := unix.MCAST_JOIN_GROUP, groupRequest(index, group)
	if source.IsValid() {
		option, request = unix.MCAST_JOIN_SOURCE_GROUP, groupRequest(index, group, source)
	}
	var err error
	control := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), level, option, string(request)) })
	if err = errors.Join(control, err); err != nil {
		return &GroupError{Group: group, Interface: name, Err: err}
	}
	return nil
}

// groupRequest is struct group_req, or group_source_req (linux/in.h): an
// interface and socket addresses, aligned like pointers.
func groupRequest(index int, addrs ...netip.Addr) []byte {
	const storage = 128 // sizeof(struct sockaddr_storage)
	b := make([]byte, unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(uintptr(0))+uintptr(len(addrs)*storage))
	binary.NativeEndian.PutUint32(b, uint32(index))
	for _, a := range addrs {
		var name dgram.Name
		sixteen := a.As16()
		name.Put(!a.Is4(), &sixteen, 0, 0)
		field := make([]byte, storage)
		copy(field, name.Bytes()[:name.Len()])
		b = append(b, field...)
	}
	return b
}

// groupReceiver reads the socket of a flow of JoinGroup.
type groupReceiver struct {
	mu      sync.Mutex
	started bool
	stopped bool
	lost    atomic.Uint64 // datagrams, by the kernel
}

func (g *groupReceiver) start(f *Flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started || g.stopped {
		return
	}
	g.started = true
	r := newUDPReader(f.from.Load(), &groupArrivals{f}, FlowKey{})
	go r.loop()
}

func (g *groupReceiver) stop(f *Flow) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	f.from.Load().conn.Close()
}

func (g *groupReceiver) dropped() uint64 { return g.lost.Load() }

// groupArrivals gives everything to one flow.
type groupArrivals struct{ flow *Flow }

func (g *groupArrivals) arrived(r *udpReader, batch []arrival) {
	for i := range batch {
		batch[i].flow = g.flow
	}
	g.flow.receiver.lost.Add(r.takeLost())
	r.run.deliver(batch)
}

// unread is not counted: the flow's Lost tells what the kernel dropped meanwhile.
func (g *groupArrivals) unread(unix.Errno) {}

func (g *groupArrivals) failed(error) { g.flow.finish(FlowFailed) }

// join makes the listener a member of its groups: a socket for each group and
// port, since workers come and go and only one of them would get a group's
// datagrams.
func (l *UDPListener) join() error {
	for _, m := range l.options.Groups {
		m.Group = m.Group.Unmap()
		if err := m.check(); err != nil {
			return err
		}
		joined := map[uint16]bool{}
		for _, a := range l.at {
			local := a.anchor.local
			if local.Addr().Is4() != m.Group.Is4() || joined[local.Port()] {
				continue
			}
			joined[local.Port()] = true
			if err := l.joinOne(m, a.anchor); err != nil {
				return err
			}
		}
		if len(joined) == 0 {
			return fmt.Errorf("group %s: no address of its family is listened on", m.Group)
		}
	}
	return nil
}

func (l *UDPListener) joinOne(m Membership, anchor *udpSocket) error {
	s, err := bindGroup(netip.AddrPortFrom(m.Group, anchor.local.Port()))
	if err != nil {
		return err
	}
	s.anchor, s.group = anchor, true
	if err = s.join(m.Group, m.Interface, netip.Addr{}); err != nil {
		s.conn.Close()
		return err
	}
	l.prepare(s)
	l.mu.Lock()
	l.members = append(l.members, s)
	l.mu.Unlock()
	go s.reader.loop()
	return nil
}
