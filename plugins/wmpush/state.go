package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
)

// phase is where a session stands.
//
//	fresh ──PushSetup──▶ setup ──its body's end──▶ ready ◀──body's end── streaming
//	  └─PushStart: joins another session             └──────PushStart──────▶
//
// done follows a last answer.
type phase uint8

const (
	fresh     phase = iota
	setup           // the directives of a PushSetup are awaited
	ready           // the session has its push-id and waits for a PushStart
	streaming       // a PushStart's body comes
	done
)

// state is a session's memory. The zero value stands before HTTP_REQUEST.
type state struct {
	phase
	retried     bool   // a push-id was another session's; a second one is tried
	published   bool   // the point is fed
	autoDestroy bool   // the point goes with the session
	endless     bool   // the body lasts as long as its connection
	packetSize  uint32 // that the last header named, in bytes; 0: none came yet
	length      uint32 // of the directives, in bytes
	point       []byte
	template    []byte // of Template-URL; empty: none
	peer        []byte // address that asked for the session
}

const (
	flagRetried = 1 << iota
	flagPublished
	flagAutoDestroy
	flagEndless
)

const fixedSize = 2 + 4 + 4 // bytes

// AppendState packs phase, flags, packet size, length (little-endian), and the texts, each
// behind its length in two bytes.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == fresh {
		return b
	}
	flags := byte(0)
	for i, set := range []bool{s.retried, s.published, s.autoDestroy, s.endless} {
		if set {
			flags |= 1 << i
		}
	}
	b = append(b, byte(s.phase), flags)
	b = binary.LittleEndian.AppendUint32(b, s.packetSize)
	b = binary.LittleEndian.AppendUint32(b, s.length)
	for _, text := range [][]byte{s.point, s.template, s.peer} {
		text = text[:min(len(text), maxText)]
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
		b = append(b, text...)
	}
	return b
}

// maxText bounds each text of the state, in bytes: chosen, above what a request's head holds.
const maxText = 16 << 10

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[0] > byte(done) {
		return abi.EINVAL
	}
	flags := blob[1]
	s.phase = phase(blob[0])
	s.retried, s.published = flags&flagRetried != 0, flags&flagPublished != 0
	s.autoDestroy, s.endless = flags&flagAutoDestroy != 0, flags&flagEndless != 0
	s.packetSize, s.length = binary.LittleEndian.Uint32(blob[2:]), binary.LittleEndian.Uint32(blob[6:])
	rest := blob[fixedSize:]
	for _, text := range []*[]byte{&s.point, &s.template, &s.peer} {
		if len(rest) < 2 {
			return abi.EINVAL
		}
		n := int(binary.LittleEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < n {
			return abi.EINVAL
		}
		*text = append((*text)[:0], rest[:n]...)
		rest = rest[n:]
	}
	return nil
}
