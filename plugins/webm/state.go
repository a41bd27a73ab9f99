package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
)

// phase is what the next element may be.
//
//	atStart ──EBML──▶ atHeader ──Cluster──▶ atMedia
//	   ▲                 ▲───────EBML──────────┘│
//	   └────────────────END(loop)───────────────┘
type phase uint8

const (
	atStart  phase = iota
	atHeader       // behind the EBML header, before the first cluster
	atMedia        // in a cluster, or between two
)

// state is a session's memory. The zero value stands before PUBLISHED.
type state struct {
	phase   phase
	known   bool   // this session has published a header
	mark    bool   // the next packet is flagged as a discontinuity
	fresh   bool   // the next packet begins with the head of a cluster
	timed   bool   // the cluster has said its timestamp
	held    bool   // input was retained
	skip    uint64 // bytes to come of an element that is thrown away
	cluster uint64 // timestamp of the cluster, as it came in
	scale   uint64 // ns of a tick
	video   uint64 // track of the pictures; 0: none
	long    long
	clock   clock
	header  []byte // in force
	build   []byte // that is being read
}

// long is a block that comes in pieces. The zero value is none.
type long struct {
	from  uint64 // where its element begins in the input
	size  uint64 // of the element, in bytes; 0: there is none
	track uint64
	time  int16
	key   bool
}

// maxHeader bounds a header, in bytes: the one in force and the one that is being read
// share the state with the rest of it. Chosen: six tracks of Vorbis.
const maxHeader = 28 << 10

const (
	bitKnown = 1 << iota
	bitMark
	bitFresh
	bitTimed
	bitHeld
	bitKey
	bitStarted
	bitPending
)

// fixedSize is the encoded size of all but the two headers, in bytes.
const fixedSize = 1 + 1 + 2 + 4 + 7*8 + clockSize

// AppendState packs phase, bits, the long block's time, the length of the header in force,
// little-endian numbers, and the two headers.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == atStart && !s.known && s.skip == 0 && len(s.header) == 0 && s.clock == (clock{}) {
		return b
	}
	bits := flag(s.known, bitKnown) | flag(s.mark, bitMark) | flag(s.fresh, bitFresh) | flag(s.timed, bitTimed) |
		flag(s.held, bitHeld) | flag(s.long.key, bitKey) | flag(s.clock.started, bitStarted) | flag(s.clock.pending, bitPending)
	b = append(b, byte(s.phase), bits)
	b = binary.LittleEndian.AppendUint16(b, uint16(s.long.time))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.header)))
	for _, n := range [...]uint64{s.skip, s.cluster, s.scale, s.video, s.long.from, s.long.size, s.long.track} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = s.clock.append(b)
	b = append(b, s.header...)
	return append(b, s.build...)
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[0] > byte(atMedia) {
		return abi.EINVAL
	}
	n := binary.LittleEndian.Uint32(blob[4:])
	if uint64(n) > uint64(len(blob)-fixedSize) {
		return abi.EINVAL
	}
	s.phase = phase(blob[0])
	bits := blob[1]
	s.known, s.mark, s.fresh, s.timed = bits&bitKnown != 0, bits&bitMark != 0, bits&bitFresh != 0, bits&bitTimed != 0
	s.held, s.long.key = bits&bitHeld != 0, bits&bitKey != 0
	s.clock.started, s.clock.pending = bits&bitStarted != 0, bits&bitPending != 0
	s.long.time = int16(binary.LittleEndian.Uint16(blob[2:]))
	for i, p := range [...]*uint64{&s.skip, &s.cluster, &s.scale, &s.video, &s.long.from, &s.long.size, &s.long.track} {
		*p = binary.LittleEndian.Uint64(blob[8+8*i:])
	}
	s.clock.read(blob[8+7*8:])
	s.header = append(s.header[:0], blob[fixedSize:fixedSize+int(n)]...)
	s.build = append(s.build[:0], blob[fixedSize+int(n):]...)
	return nil
}
