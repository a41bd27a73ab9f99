package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
)

// phase is where a source session stands: fresh, then dialing, sniffing, feeding.
type phase uint8

const (
	fresh phase = iota
	dialing
	sniffing
	feeding
	closed
)

// state is a source session's memory. The zero value stands before START.
type state struct {
	phase phase
	point []byte
	url   []byte
}

const fixedSize = 4

// AppendState packs phase, a spare byte, the length of the point's name, the name and
// the URL.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == fresh {
		return b
	}
	b = append(b, byte(s.phase), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.point)))
	return append(append(b, s.point...), s.url...)
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[0] > byte(closed) {
		return abi.EINVAL
	}
	n := fixedSize + int(binary.LittleEndian.Uint16(blob[2:]))
	if n > len(blob) {
		return abi.EINVAL
	}
	s.phase = phase(blob[0])
	s.point = append(s.point[:0], blob[fixedSize:n]...)
	s.url = append(s.url[:0], blob[n:]...)
	return nil
}
