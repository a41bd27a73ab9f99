package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/asf"
)

// phase is what the next input byte belongs to.
//
//	atHeader ──header complete──▶ atPackets ──last packet──▶ atTail
//	    ▲ ▲──────END(loop)───────────┘ │                        │
//	    └──────────END(loop), new header at a packet's place ◀──┘
type phase uint8

const (
	atHeader phase = iota
	atPackets
	atTail // behind the last packet: indexes, ffmpeg's end mark; thrown away
)

// state is a session's memory. The zero value stands before PUBLISHED.
type state struct {
	phase      phase
	known      bool // this session has read a header
	mark       bool // the next packet is flagged as a discontinuity
	header     []byte
	packetSize uint32
	video      asf.StreamSet
	left       uint64 // packets until the tail; 0: not known
	clock      clock
}

// maxKept bounds the header that the state keeps for comparison, in bytes; a longer
// one counts as incompatible with any other.
const maxKept = abi.MaxState - fixedSize

// fixedSize is the encoded size of all but the header, in bytes.
const fixedSize = 4 + 4 + 2*8 + 8 + clockSize

const (
	bitKnown = 1 << iota
	bitMark
	bitStarted
	bitPending
	bitAgain
)

// AppendState packs the state: phase, bits, two spare bytes, then little-endian
// numbers, then the header.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == atHeader && !s.known && len(s.header) == 0 && s.clock == (clock{}) {
		return b
	}
	bits := flag(s.known, bitKnown) | flag(s.mark, bitMark) |
		flag(s.clock.started, bitStarted) | flag(s.clock.pending, bitPending) | flag(s.clock.again, bitAgain)
	b = append(b, byte(s.phase), bits, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, s.packetSize)
	b = binary.LittleEndian.AppendUint64(b, s.video[0])
	b = binary.LittleEndian.AppendUint64(b, s.video[1])
	b = binary.LittleEndian.AppendUint64(b, s.left)
	b = s.clock.append(b)
	return append(b, s.header...)
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[0] > byte(atTail) {
		return abi.EINVAL
	}
	s.phase = phase(blob[0])
	s.known, s.mark = blob[1]&bitKnown != 0, blob[1]&bitMark != 0
	s.clock.started, s.clock.pending, s.clock.again = blob[1]&bitStarted != 0, blob[1]&bitPending != 0, blob[1]&bitAgain != 0
	s.packetSize = binary.LittleEndian.Uint32(blob[4:])
	s.video[0] = binary.LittleEndian.Uint64(blob[8:])
	s.video[1] = binary.LittleEndian.Uint64(blob[16:])
	s.left = binary.LittleEndian.Uint64(blob[24:])
	s.clock.read(blob[32:])
	s.header = append(s.header[:0], blob[fixedSize:]...)
	return nil
}
