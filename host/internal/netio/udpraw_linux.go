package netio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Header sizes in bytes: RFC 791 3.1 without options, RFC 768.
const (
	header4   = 20
	headerUDP = 8
)

// maxPayload is what fits in an IPv4 packet, in bytes.
const maxPayload = 1<<16 - 1 - header4 - headerUDP

// rawHops is the time to live of replies by raw sockets: RFC 1700's default.
const rawHops = 64

// rawSender sends UDP datagrams with any source.
type rawSender struct {
	v6     bool
	mu     sync.Mutex
	fd     int // -1 once closed
	packet []byte
}

// rawSender gives the one of a family. That it is not allowed is found out once.
func (r *replies) rawSender(v6 bool) (*rawSender, error) {
	family, which := unix.AF_INET, 0
	if v6 {
		family, which = unix.AF_INET6, 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, net.ErrClosed
	case r.raw[which] != nil:
		return r.raw[which], nil
	case r.denied[which] != nil:
		return nil, r.denied[which]
	}
	fd, err := rawSocket(family)
	if err != nil {
		err = fmt.Errorf("raw socket (needs CAP_NET_RAW): %w", err)
		if errors.Is(err, os.ErrPermission) {
			r.denied[which] = err
		}
		return nil, err
	}
	r.raw[which] = &rawSender{fd: fd, v6: v6}
	return r.raw[which], nil
}

// rawSocket is a variable for tests, which have no other way to be refused.
var rawSocket = func(family int) (int, error) {
	// IPPROTO_RAW: the packets begin with their IP header, and none are received (raw(7)).
	return unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
}

func (s *rawSender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	unix.Close(s.fd)
	s.fd = -1
}

func (s *rawSender) send(id *flowID, b []byte) error {
	if len(b) > maxPayload {
		return unix.EMSGSIZE
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	var to unix.Sockaddr
	if s.v6 {
		s.packet = appendPacket6(s.packet[:0], id, b)
		to = &unix.SockaddrInet6{Addr: id.remote, ZoneId: id.scope}
	} else {
		s.packet = appendPacket4(s.packet[:0], id, b)
		to = &unix.SockaddrInet4{Addr: [4]byte(id.remote[12:])}
	}
	return unix.Sendto(s.fd, s.packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, to)
}

// appendPacket4 makes an IPv4 packet of a payload; the kernel fills in length,
// identification and header checksum (raw(7)).
func appendPacket4(p []byte, id *flowID, b []byte) []byte {
	p = append(p, 0x45, 0, 0, 0, 0, 0, 0, 0, rawHops, unix.IPPROTO_UDP, 0, 0)
	p = append(p, id.local[12:]...)
	p = append(p, id.remote[12:]...)
	return appendUDP(p, id, id.local[12:], id.remote[12:], b)
}

// appendPacket6 makes an IPv6 packet.
func appendPacket6(p []byte, id *flowID, b []byte) []byte {
	p = append(p, 0x60, 0, 0, 0)
	p = binary.BigEndian.AppendUint16(p, uint16(headerUDP+len(b)))
	p = append(p, unix.IPPROTO_UDP, rawHops)
	p = append(p, id.local[:]...)
	p = append(p, id.remote[:]...)
	return appendUDP(p, id, id.local[:], id.remote[:], b)
}

func appendUDP(p []byte, id *flowID, local, remote, b []byte) []byte {
	length := uint16(headerUDP + len(b))
	p = binary.BigEndian.AppendUint16(p, id.localPort)
	p = binary.BigEndian.AppendUint16(p, id.remotePort)
	p = binary.BigEndian.AppendUint16(p, length)
	sum := uint32(unix.IPPROTO_UDP) + 2*uint32(length) + uint32(id.localPort) + uint32(id.remotePort)
	sum = add16(add16(add16(sum, local), remote), b)
	for sum>>16 != 0 {
		sum = sum&0xFFFF + sum>>16
	}
	check := ^uint16(sum)
	if check == 0 {
		check = 0xFFFF // 0 means none (RFC 768)
	}
	p = binary.BigEndian.AppendUint16(p, check)
	return append(p, b...)
}

// add16 adds big-endian words, the last padded with zero (RFC 1071). b has at
// most 64 KiB, so that the sum does not overflow.
func add16(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
