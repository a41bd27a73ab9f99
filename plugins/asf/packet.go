package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md §4).
const (
	// reserve is kept free for CONSUME, NEED and the state without its header.
	reserve = 512
	// packetBytes is a PACKET of one span.
	packetBytes = 128
	// patchBytes is what one patch adds: a literal and a span.
	patchBytes = 32
)

// takePacket marks one packet of the input as a packet of the rendition.
func (w *worker) takePacket(s *state, b []byte, offset uint64, v *sdk.Verdicts) (n, need int, err error) {
	if err := asf.ParsePacket(b, int(s.packetSize), &w.packet); err != nil {
		return 0, 0, bad("no ASF packet", offset, err)
	}
	if v.Room() < reserve+len(s.header)+packetBytes+(1+w.packet.Count)*patchBytes {
		return 0, 0, nil
	}
	ms, jumped := s.clock.place(&w.packet)
	k := abi.Packet{PTS: ms * nsPerMs, DTS: ms * nsPerMs, Duration: int64(w.packet.Duration) * nsPerMs}
	if asf.KeyAt(s.video, &w.packet) {
		k.Flags |= abi.PacketKey
	}
	if s.mark || jumped {
		k.Flags |= abi.PacketDiscontinuity
		s.mark = false
	}
	v.Packet(k, w.pieces(b, offset, s.clock.shift, v.Pieces()))
	if s.left > 0 {
		if s.left--; s.left == 0 {
			s.phase = atTail
		}
	}
	return len(b), 0, nil
}

// pieces marks the packet as one span, or, where its times move by shift ms, as spans
// around the literal times. A time too narrow to move stays as it is.
func (w *worker) pieces(b []byte, offset uint64, shift int64, p *sdk.Pieces) *sdk.Pieces {
	from := 0
	if shift != 0 {
		_ = asf.Rebase(&w.packet, shift, &w.patches) // ErrNarrow: the other times are there
		list := w.patches.List()
		for i := range list {
			t := &list[i]
			if t.At > from {
				p.Input(offset+uint64(from), t.At-from)
			}
			p.Literal(t.Bytes[:])
			from = t.At + len(t.Bytes)
		}
	}
	if from < len(b) {
		p.Input(offset+uint64(from), len(b)-from)
	}
	return p
}
