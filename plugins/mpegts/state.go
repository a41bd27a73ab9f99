package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
)

// state is a session's memory. The zero value stands before PUBLISHED.
type state struct {
	known   bool   // this session has published a header
	running bool   // media packets go out; before, input is thrown away up to the first cut
	mark    bool   // the next media packet is flagged as a discontinuity
	lost    uint32 // bytes thrown away in search of packets or tables
	header  []byte // in force: PAT and PMT packets
	demux   mpegts.Demux
	clock   clock
}

const (
	bitKnown = 1 << iota
	bitRunning
	bitMark
	bitStarted
	bitPending
	bitKeyed
)

// fixedSize is the encoded size of all but header and demux, in bytes.
const fixedSize = 1 + 3 + 4 + 4 + clockSize

// AppendState packs bits, three spare bytes, then little-endian numbers, the header
// behind its length, and the demux.
func (s *state) AppendState(b []byte) []byte {
	if !s.known && !s.running && s.lost == 0 && len(s.header) == 0 && s.clock == (clock{}) && s.demux == (mpegts.Demux{}) {
		return b
	}
	bits := flag(s.known, bitKnown) | flag(s.running, bitRunning) | flag(s.mark, bitMark) |
		flag(s.clock.started, bitStarted) | flag(s.clock.pending, bitPending) | flag(s.clock.keyed, bitKeyed)
	b = append(b, bits, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, s.lost)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.header)))
	b = s.clock.append(b)
	b = append(b, s.header...)
	b, _ = s.demux.AppendBinary(b) // never fails
	return b
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize {
		return abi.EINVAL
	}
	n := binary.LittleEndian.Uint32(blob[8:])
	if uint64(n) > uint64(len(blob)-fixedSize) {
		return abi.EINVAL
	}
	bits := blob[0]
	s.known, s.running, s.mark = bits&bitKnown != 0, bits&bitRunning != 0, bits&bitMark != 0
	s.clock.started, s.clock.pending, s.clock.keyed = bits&bitStarted != 0, bits&bitPending != 0, bits&bitKeyed != 0
	s.lost = binary.LittleEndian.Uint32(blob[4:])
	s.clock.read(blob[12:])
	s.header = append(s.header[:0], blob[fixedSize:fixedSize+int(n)]...)
	return s.demux.UnmarshalBinary(blob[fixedSize+int(n):])
}
