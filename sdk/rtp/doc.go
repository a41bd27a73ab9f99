// Package rtp reads the heads of RTP packets (RFC 3550), puts packets back into the order
// of their sequence numbers, and takes access units out of them: H.264 (RFC 6184), AAC
// (RFC 3640) and MPEG audio (RFC 2250). Packers do the opposite: they cut elementary streams
// into payloads, as their bytes come. It reads and writes the reports of RTCP.
//
// It owns nothing and does no input or output. Datagrams come in one by one; what goes
// out is where their payloads lie, and by a Window in which order to take them and how
// many are missing. What they hold goes to a Sink, piece by piece. The state between
// datagrams is a Window, an H264, an AAC, an Order, an H264Packer and a SoundPacker: plain
// values of bounded size that can be written to bytes and read back. It never keeps a slice that it was given, does
// not allocate in steady state, and never panics, whatever the bytes are.
//
// Section numbers are those of RFC 3550 where no other document is named. Functions are
// safe for concurrent use; a value has one owner at a time.
package rtp

import (
	"encoding/binary"
	"errors"
)

// Errors of Parse.
var (
	ErrVersion   = errors.New("rtp: not version 2")
	ErrTruncated = errors.New("rtp: the head, its extension or the padding exceeds the packet")
)

// TypeMP2T is the payload type of MPEG transport streams (RFC 3551 6, RFC 2250 2).
const TypeMP2T = 33

// headSize is the fixed part of the head, bytes (5.1).
const headSize = 12

// Packet is the head of a packet and where its payload lies. The zero value is no packet.
type Packet struct {
	Type      uint8 // payload type
	Marker    bool
	Sequence  uint16
	Timestamp uint32 // in the payload type's clock
	SSRC      uint32
	From, To  int // the payload's bytes in the datagram
}

// Parse reads a datagram: contributing sources and an extension (5.3.1) are skipped,
// padding (5.1) is taken off. The payload may be empty.
func Parse(b []byte) (p Packet, err error) {
	if len(b) > 0 && b[0]>>6 != 2 {
		return Packet{}, ErrVersion
	}
	if len(b) < headSize {
		return Packet{}, ErrTruncated
	}
	p = Packet{Type: b[1] & 0x7F, Marker: b[1]&0x80 != 0, Sequence: binary.BigEndian.Uint16(b[2:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]), SSRC: binary.BigEndian.Uint32(b[8:])}
	p.From, p.To = headSize+4*int(b[0]&0x0F), len(b)
	if b[0]&0x10 != 0 {
		if p.From+4 > len(b) {
			return Packet{}, ErrTruncated
		}
		p.From += 4 + 4*int(binary.BigEndian.Uint16(b[p.From+2:]))
	}
	if b[0]&0x20 != 0 {
		n := int(b[len(b)-1])
		if n == 0 {
			return Packet{}, ErrTruncated
		}
		p.To -= n
	}
	if p.From > p.To {
		return Packet{}, ErrTruncated
	}
	return p, nil
}
