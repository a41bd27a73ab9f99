package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
)

// Bits of a datagram's first byte (RFC 2974 3).
const (
	sapVersion = 1 << 5
	sapSix     = 1 << 4 // the origin is of IPv6
	sapDelete  = 1 << 2
)

const sapType = mediaType + "\x00"

// sapHead appends what precedes a description in the datagram that announces it, or that
// takes it back. The message's number tells one description from another: it is never 0,
// which VLC ignores (wire digest §6.3), and another for each that differs.
func sapHead(b []byte, group *abi.Endpoint, description []byte, isDelete bool) []byte {
	origin, ok := appendAddress(nil, orLoopback(group))
	if !ok {
		origin = []byte{127, 0, 0, 1}
	}
	first := byte(sapVersion)
	if len(origin) > 4 {
		first |= sapSix
	}
	if isDelete {
		first |= sapDelete
	}
	b = append(b, first, 0) // no authentication
	b = binary.BigEndian.AppendUint16(b, hash16(description))
	b = append(b, origin...)
	return append(b, sapType...)
}

// hash16 folds a hash into the 16 bits of a message's number.
func hash16(b []byte) uint16 {
	h := hash64(b)
	n := uint16(h) ^ uint16(h>>16) ^ uint16(h>>32) ^ uint16(h>>48)
	if n == 0 {
		return 1
	}
	return n
}
