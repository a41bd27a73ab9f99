package steer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Lengths of linux/inet_diag.h: inet_diag_req_v2 and inet_diag_msg.
const (
	diagRequestBytes = 56
	diagAnswerBytes  = 72
)

// Socket states of net/tcp_states.h. An unconnected UDP socket is closed.
const (
	stateClosed    = 7
	stateListening = 10
)

// diagTypeByFamily is SOCK_DIAG_BY_FAMILY of linux/sock_diag.h.
const diagTypeByFamily = 20

// diagBufferBytes is for one answer of the kernel, which are of 8 to 32 KiB (net/netlink/af_netlink.c, netlink_dump).
const diagBufferBytes = 64 << 10

// Shadows finds the sockets of the calling thread's network namespace, of whatever process, that are bound to exactly an address and port that the
// claims cover: steering wins over them, and they hear nothing more. TCP sockets that listen and UDP sockets that are not connected. Sockets bound to
// all addresses are not told: to win over those is what claims are for.
func Shadows(claims []Claim) ([]Shadow, error) {
	tidied := make([]Claim, len(claims))
	for i, c := range claims {
		var err error
		if tidied[i], err = tidy(c); err != nil {
			return nil, err
		}
	}
	var found []Shadow
	for _, protocol := range []Protocol{TCP, UDP} {
		if !slices.ContainsFunc(tidied, func(c Claim) bool { return c.Protocol == protocol }) {
			continue
		}
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			sockets, err := diag(family, protocol)
			if err != nil {
				return nil, fmt.Errorf("list %v sockets: %w", protocol, err)
			}
			for _, s := range sockets {
				if c, ok := claimOf(tidied, s); ok {
					s.Listener = c.Listener
					found = append(found, s)
				}
			}
		}
	}
	return found, nil
}

// claimOf is the claim that a socket's address belongs to.
func claimOf(claims []Claim, s Shadow) (best Claim, ok bool) {
	if s.Address.Addr().IsUnspecified() {
		return Claim{}, false
	}
	for _, c := range claims {
		if c.Protocol != s.Protocol || !c.Prefix.Contains(s.Address.Addr()) || s.Address.Port() < c.First || s.Address.Port() > c.Last {
			continue
		}
		longer := c.Prefix.Bits() - best.Prefix.Bits()
		if !ok || longer > 0 || longer == 0 && c.Last-c.First < best.Last-best.First {
			best, ok = c, true
		}
	}
	return best, ok
}

// diag asks the kernel for all sockets of a family that take new connections or datagrams.
func diag(family uint8, p Protocol) ([]Shadow, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	request := make([]byte, unix.NLMSG_HDRLEN+diagRequestBytes)
	n := binary.NativeEndian
	n.PutUint32(request[0:], uint32(len(request)))
	n.PutUint16(request[4:], diagTypeByFamily)
	n.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := request[unix.NLMSG_HDRLEN:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	state := uint32(1 << stateListening)
	if p == UDP {
		body[1], state = unix.IPPROTO_UDP, 1<<stateClosed
	}
	n.PutUint32(body[4:], state)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var all []Shadow
	buffer := make([]byte, diagBufferBytes)
	for {
		got, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sockets, done, err := parseDiag(buffer[:got], p)
		all = append(all, sockets...)
		if done || err != nil {
			return all, err
		}
	}
}

// parseDiag reads the messages of one answer; done at the last.
func parseDiag(b []byte, p Protocol) (sockets []Shadow, done bool, err error) {
	n := binary.NativeEndian
	for len(b) >= unix.NLMSG_HDRLEN {
		length := n.Uint32(b)
		if length < unix.NLMSG_HDRLEN || uint64(length) > uint64(len(b)) {
			return sockets, false, errors.New("netlink message of a wrong length")
		}
		body := b[unix.NLMSG_HDRLEN:length]
		switch n.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return sockets, true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return sockets, false, errors.New("netlink error of a wrong length")
			}
			if code := int32(n.Uint32(body)); code < 0 {
				return sockets, true, unix.Errno(-code)
			}
		case diagTypeByFamily:
			if s, ok := parseSocket(body); ok {
				s.Protocol = p
				sockets = append(sockets, s)
			}
		}
		b = b[min(uint64(len(b)), uint64(length+unix.NLMSG_ALIGNTO-1)&^uint64(unix.NLMSG_ALIGNTO-1)):]
	}
	return sockets, false, nil
}

// parseSocket reads an inet_diag_msg.
func parseSocket(b []byte) (Shadow, bool) {
	if len(b) < diagAnswerBytes {
		return Shadow{}, false
	}
	address := netip.AddrFrom4([4]byte(b[8:12]))
	if b[0] == unix.AF_INET6 {
		address = netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return Shadow{
		Address: netip.AddrPortFrom(address, binary.BigEndian.Uint16(b[4:])),
		UID:     binary.NativeEndian.Uint32(b[64:]),
		Inode:   binary.NativeEndian.Uint32(b[68:]),
	}, true
}
