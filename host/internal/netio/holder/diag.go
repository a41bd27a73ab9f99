package holder

import (
	"encoding/binary"
	"net/netip"
)

// Layout of struct inet_diag_req_v2 and struct inet_diag_msg (linux/inet_diag.h); addresses and ports are in network order.
const (
	requestBytes = 56
	messageBytes = 72

	atFamily = 0
	atState  = 1
	atPort   = 4
	atSource = 8
	atUID    = 64
	atInode  = 68

	familyV4     = 2
	familyV6     = 10
	attrV6Only   = 11 // INET_DIAG_SKV6ONLY
	attrByteCode = 1  // INET_DIAG_REQ_BYTECODE
)

// states is what is asked for, a bit each.
const states = 1<<stateEstablished | 1<<stateClose | 1<<stateListen

func request(family, protocol uint8) []byte {
	b := make([]byte, requestBytes)
	b[0], b[1] = family, protocol
	binary.NativeEndian.PutUint32(b[4:], states)
	return b
}

// portFilter is a program that lets through what has this source port (struct inet_diag_bc_op): at least it, and at most it.
func portFilter(port uint16) []byte {
	const atLeast, atMost = 2, 3 // INET_DIAG_BC_S_GE, INET_DIAG_BC_S_LE
	b := make([]byte, 0, 16)
	for i, op := range []byte{atLeast, atMost} {
		left := uint16(16 - 8*i)
		b = append(b, op, 8)
		b = binary.NativeEndian.AppendUint16(b, left+4) // no: past the end, which refuses
		b = append(b, 0, 0)
		b = binary.NativeEndian.AppendUint16(b, port)
	}
	return b
}

// parseMessage reads a socket of sock_diag's answer.
func parseMessage(b []byte, udp bool) (s socket, ok bool) {
	if len(b) < messageBytes || !holds(udp, b[atState]) {
		return socket{}, false
	}
	var a netip.Addr
	switch b[atFamily] {
	case familyV4:
		a = netip.AddrFrom4([4]byte(b[atSource:]))
	case familyV6:
		a = netip.AddrFrom16([16]byte(b[atSource:]))
	default:
		return socket{}, false
	}
	s = socket{address: netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[atPort:])), inode: uint64(binary.NativeEndian.Uint32(b[atInode:])),
		uid: binary.NativeEndian.Uint32(b[atUID:]), listening: !udp && b[atState] == stateListen}
	for rest := b[messageBytes:]; len(rest) >= 4; { // struct rtattr, each at a multiple of 4
		n, kind := int(binary.NativeEndian.Uint16(rest)), binary.NativeEndian.Uint16(rest[2:])
		if n < 4 || n > len(rest) {
			break
		}
		if kind == attrV6Only && n > 4 {
			s.v6only = rest[4] != 0
		}
		rest = rest[min((n+3)&^3, len(rest)):]
	}
	return s, true
}
