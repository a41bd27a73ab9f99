package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/rtp"
)

// phase is where a sender or a point's source stands.
//
//	fresh ──flow──▶ sniffing ──published──▶ through | ordering
//	  ├──START──▶ dialing ──▲ │ ▲
//	  │             refused ──┘ └── waiting: the point has a source
//	  └──▶ ignored: the configuration names no point
type phase uint8

const (
	fresh    phase = iota
	dialing        // DIAL is under way
	sniffing       // the next datagram that can be used is published
	waiting        // for the point to be free
	through        // bare transport stream: the host passes it on by itself
	ordering       // RTP
	ignored
	closed
)

// state is a session's memory. The zero value stands before CONN_OPEN or START.
type state struct {
	phase  phase
	conn   uint8  // of the flow
	told   bool   // the log has been told why nothing is published
	held   bool   // RETAIN is in force
	odd    uint16 // datagrams that could not be used before the first that could
	point  []byte
	from   []byte // the sender's address, or the URL
	window rtp.Window
}

const (
	bitTold = 1 << iota
	bitHeld
)

const fixedSize = 1 + 1 + 1 + 1 + 2 + 2 + 2

// AppendState packs phase, connection, bits, a spare byte, the count of odd datagrams and
// the lengths of point and from (little-endian), these two, then the window once RTP has
// come.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == fresh {
		return b
	}
	bits := byte(0)
	for i, set := range [...]bool{s.told, s.held} {
		if set {
			bits |= 1 << i
		}
	}
	le := binary.LittleEndian
	b = append(b, byte(s.phase), s.conn, bits, 0)
	b = le.AppendUint16(b, s.odd)
	b = le.AppendUint16(b, uint16(len(s.point)))
	b = le.AppendUint16(b, uint16(len(s.from)))
	b = append(append(b, s.point...), s.from...)
	if s.window != (rtp.Window{}) {
		b, _ = s.window.AppendBinary(b) // never fails
	}
	return b
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	le := binary.LittleEndian
	if len(blob) < fixedSize || blob[0] > byte(closed) || blob[2] > bitTold|bitHeld {
		return abi.EINVAL
	}
	points, from := int(le.Uint16(blob[6:])), int(le.Uint16(blob[8:]))
	rest := blob[fixedSize:]
	if points+from > len(rest) {
		return abi.EINVAL
	}
	s.phase, s.conn, s.odd = phase(blob[0]), blob[1], le.Uint16(blob[4:])
	s.told, s.held = blob[2]&bitTold != 0, blob[2]&bitHeld != 0
	s.point = append(s.point[:0], rest[:points]...)
	s.from = append(s.from[:0], rest[points:points+from]...)
	s.window = rtp.Window{}
	if rest = rest[points+from:]; len(rest) > 0 {
		return s.window.UnmarshalBinary(rest)
	}
	return nil
}
