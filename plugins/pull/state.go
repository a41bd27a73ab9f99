package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
)

// phase is where a source session stands.
//
//	fresh ──START──▶ asking ──reply──▶ sniffing ──▶ through | framed ──end──▶ closed
//	                  ▲ ▲ redirect, 401 │   │
//	                  │ └───────────────┘   │ only a header: Describe
//	                  └─────────────────────┘ Play
type phase uint8

const (
	fresh    phase = iota
	asking         // a connection is under way, or its answer
	sniffing       // the first bytes are awaited
	through        // the host passes the stream on by itself
	framed         // chunk by chunk
	closed
)

// manner is how the present request is put.
type manner uint8

const (
	first manner = iota // as a Windows Media server that wants to play at once
	plain               // as any client, since the first was refused
	play                // as a player that has the header (MS-WMSP 2.2.2.3)
)

// state is a source session's memory. The zero value stands before START.
type state struct {
	phase     phase
	manner    manner
	tried     uint8 // credentials that this request was sent with
	redirects uint8 // followed so far
	layout    asf.Layout

	conn       uint32
	client     uint32        // client-id that the server gave; 0: none
	packetSize uint32        // framed: of each packet of the child's input, in bytes
	streams    asf.StreamSet // that Play asks for
	point      []byte
	url        []byte // of the request, with credentials: as a URL they are masked in recordings
}

const fixedSize = 4 + 3*4 + 4 + 2*8 + 2*2

// AppendState packs phase, manner, tried and redirects, a byte each; conn, client and
// packet size; layout and three spare bytes; the set of streams; the lengths of point
// and URL (all little-endian), then these two.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == fresh {
		return b
	}
	le := binary.LittleEndian
	b = append(b, byte(s.phase), byte(s.manner), s.tried, s.redirects)
	b = le.AppendUint32(b, s.conn)
	b = le.AppendUint32(b, s.client)
	b = le.AppendUint32(b, s.packetSize)
	b = append(b, byte(s.layout), 0, 0, 0)
	b = le.AppendUint64(b, s.streams[0])
	b = le.AppendUint64(b, s.streams[1])
	all := [...][]byte{s.point, s.url}
	for _, x := range all {
		b = le.AppendUint16(b, uint16(len(x)))
	}
	for _, x := range all {
		b = append(b, x...)
	}
	return b
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	le := binary.LittleEndian
	if len(blob) < fixedSize || blob[0] > byte(closed) || blob[1] > byte(play) || blob[16] > byte(asf.FLV) {
		return abi.EINVAL
	}
	size := le.Uint32(blob[12:])
	if size > asf.MaxPacketSize {
		return abi.EINVAL
	}
	s.phase, s.manner, s.tried, s.redirects = phase(blob[0]), manner(blob[1]), blob[2], blob[3]
	s.conn, s.client = le.Uint32(blob[4:]), le.Uint32(blob[8:])
	s.layout, s.packetSize = asf.Layout(blob[16]), size
	s.streams = asf.StreamSet{le.Uint64(blob[20:]), le.Uint64(blob[28:])}
	lengths, rest := blob[36:fixedSize], blob[fixedSize:]
	for i, to := range [...]*[]byte{&s.point, &s.url} {
		n := int(le.Uint16(lengths[2*i:]))
		if n > len(rest) {
			return abi.EINVAL
		}
		*to = append((*to)[:0], rest[:n]...)
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return abi.EINVAL
	}
	return nil
}
