package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
)

// phase is where an exchange stands.
//
//	fresh ──request taken──▶ sniffing ──published──▶ through | framed ──end──▶ done
//	  └──────────refused──────────┴───────────refused───────────┴────────────▶
type phase uint8

const (
	fresh    phase = iota
	sniffing       // the body's first bytes are awaited
	through        // the host passes the body on by itself
	framed         // chunk by chunk
	done           // answered
)

// state is an exchange's memory. The zero value stands before HTTP_REQUEST.
type state struct {
	phase      phase
	layout     asf.Layout
	packetSize uint32 // framed: of each packet of the child's input, in bytes
	point      []byte
}

const fixedSize = 8

// AppendState packs phase, layout, two spare bytes, packet size (little-endian) and
// the point's name.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == fresh {
		return b
	}
	b = append(b, byte(s.phase), byte(s.layout), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, s.packetSize)
	return append(b, s.point...)
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[0] > byte(done) || blob[1] > byte(asf.FLV) {
		return abi.EINVAL
	}
	s.phase, s.layout = phase(blob[0]), asf.Layout(blob[1])
	s.packetSize = binary.LittleEndian.Uint32(blob[4:])
	s.point = append(s.point[:0], blob[fixedSize:]...)
	return nil
}
