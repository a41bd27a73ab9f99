package deliver

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// batchMessages is how many messages one sendmmsg takes. Chosen: at 7 µs each, what
	// else runs on the thread waits less than half a millisecond.
	batchMessages = 64
	// udpSendBuffer is asked for a socket of the pool's own, in bytes: 40 ms of 4 Mbit/s
	// for 200 destinations. Chosen; without CAP_NET_ADMIN the system's limit holds.
	udpSendBuffer = 4 << 20
	// udpSlots is set in the slot of a socket in the poller's table.
	udpSlots = uint32(1) << 31
	// cmsgBytes hold UDP_SEGMENT and a source address of IPv6 (cmsg(3)).
	cmsgBytes = 64
)

// udpSocket sends to many destinations of one worker. Its fields are the worker's but
// for refs, which the table guards, and what open sets.
type udpSocket struct {
	fd      int
	id      uint32
	key     udpKey
	refs    int
	viewers []*Viewer
	dirty   bool // in udpWorker.dirty
	full    bool // it took nothing the last time
	plain   bool // the kernel has no UDP_SEGMENT
	segment int  // at which the kernel cuts what says nothing else (udp(7)), which costs less than to say it of each message; 0: it cuts nothing

	n        int // messages of the batch
	headers  [batchMessages]unix.Mmsghdr
	vectors  [batchMessages]unix.Iovec
	controls [batchMessages][cmsgBytes]byte
	owners   [batchMessages]owner
}

// owner is whose a message is.
type owner struct {
	viewer *Viewer
	feed   *feed // that counts it
	size   int32 // of each datagram but the last
}

// udpKey tells sockets apart.
type udpKey struct {
	UDPSocket
	v6, group bool
	segment   int // of its viewers; 0 if they share another owner's
}

// udpTable is a worker's sockets; whoever attaches uses it too.
type udpTable struct {
	mu    sync.Mutex
	byKey map[udpKey]*udpSocket
	byID  map[uint32]*udpSocket
	next  uint32
}

// open gives the socket for a destination whose datagrams are cut at segment, and counts a
// user of it.
func (t *udpTable) open(p *poller, from UDPSocket, to netip.Addr, segment int) (*udpSocket, error) {
	key := udpKey{UDPSocket: from, v6: to.Is6(), group: to.IsMulticast()}
	if from.Shared == nil {
		key.segment = segment
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.byKey[key]; s != nil {
		s.refs++
		return s, nil
	}
	fd, err := key.open()
	if err != nil {
		return nil, err
	}
	s := &udpSocket{fd: fd, key: key, refs: 1, id: t.next}
	if key.segment > 0 && unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, key.segment) == nil {
		s.segment = key.segment
	}
	t.next = (t.next + 1) &^ udpSlots
	if err := p.control(fd, unix.EPOLLET, udpSlots|s.id, 0); err != nil { // errors are told of unasked
		_ = unix.Close(fd)
		return nil, err
	}
	if t.byKey == nil {
		t.byKey, t.byID = map[udpKey]*udpSocket{}, map[uint32]*udpSocket{}
	}
	t.byKey[key], t.byID[s.id] = s, s
	return s, nil
}

// release ends one use of a socket, and tells whether it was the last.
func (t *udpTable) release(p *poller, s *udpSocket) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.refs--; s.refs > 0 {
		return false
	}
	t.drop(s)
	delete(t.byID, s.id)
	p.remove(s.fd) // closing does not, where others have descriptors of the same socket
	_ = unix.Close(s.fd)
	s.fd = -1
	return true
}

// retire has the next viewer get another socket.
func (t *udpTable) retire(s *udpSocket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(s)
}

// drop is retire, with t.mu.
func (t *udpTable) drop(s *udpSocket) {
	if t.byKey[s.key] == s {
		delete(t.byKey, s.key)
	}
}

// alike gives the sockets that are the same to the kernel, and differ in the address that
// they send from. With t.mu.
func (t *udpTable) alike(s *udpSocket) (all []*udpSocket) {
	for _, x := range t.byID {
		if x == s || s.key.Shared != nil && x.key.Shared == s.key.Shared {
			all = append(all, x)
		}
	}
	return all
}

func (t *udpTable) find(id uint32) *udpSocket {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

func (t *udpTable) all() (sockets []*udpSocket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.byID {
		sockets = append(sockets, s)
	}
	return sockets
}

// open makes a socket.
func (k *udpKey) open() (fd int, err error) {
	if k.Shared != nil {
		return k.Shared.Duplicate()
	}
	family := unix.AF_INET
	if k.v6 {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return 0, err
	}
	if err = k.prepare(fd); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// reportErrors has the kernel keep what ICMP says, with the destination that it says it of
// (ip(7), IP_RECVERR).
func reportErrors(fd int, v6 bool) {
	if v6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
}

// deafen has the kernel drop what others send: nobody reads it, and it would take the room
// of the error queue.
func deafen(fd int) error {
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
}

func (k *udpKey) prepare(fd int) error {
	reportErrors(fd, k.v6)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, udpSendBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, udpSendBuffer)
	}
	if err := deafen(fd); err != nil {
		return fmt.Errorf("drop input: %w", err)
	}
	if k.Interface != "" {
		if err := k.bind(fd); err != nil {
			return fmt.Errorf("interface %s: %w", k.Interface, err)
		}
	}
	loop := 1
	if k.Quiet {
		loop = 0
	}
	switch {
	case k.group && k.v6:
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, loop); err != nil {
			return fmt.Errorf("loopback: %w", err)
		}
	case k.group:
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, loop); err != nil {
			return fmt.Errorf("loopback: %w", err)
		}
	}
	if k.TTL < 0 {
		return nil
	}
	level, name := unix.IPPROTO_IP, unix.IP_TTL
	switch {
	case k.group && k.v6:
		level, name = unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS
	case k.group:
		name = unix.IP_MULTICAST_TTL
	case k.v6:
		level, name = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	if err := unix.SetsockoptInt(fd, level, name, k.TTL); err != nil {
		return fmt.Errorf("ttl %d: %w", k.TTL, err)
	}
	return nil
}

// bind has datagrams leave by the interface.
func (k *udpKey) bind(fd int) error {
	i, err := net.InterfaceByName(k.Interface)
	if err != nil {
		return err
	}
	var order [4]byte // IP_UNICAST_IF and IPV6_UNICAST_IF take network order (ip(7))
	binary.BigEndian.PutUint32(order[:], uint32(i.Index))
	index := int(binary.NativeEndian.Uint32(order[:]))
	switch {
	case k.group && k.v6:
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, i.Index)
	case k.group:
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
	case k.v6:
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_IF, index)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_UNICAST_IF, index)
}
