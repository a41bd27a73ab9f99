package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// takeHeader reads the header at the start of b, which lies at offset of the input,
// and publishes it unless players can go on with the one they hold.
func (w *worker) takeHeader(s *state, e *abi.Data, b []byte, offset uint64, v *sdk.Verdicts) (n, need int, err error) {
	n, need, err = asf.HeaderSize(b)
	if err != nil {
		return 0, 0, bad("no ASF header", offset, err)
	}
	if need > 0 {
		return 0, len(b) + need, nil
	}
	if v.Room() < 2*n+reserve { // the literal, and the state that keeps it
		return 0, 0, nil
	}
	h, err := asf.ParseHeader(b)
	if err != nil {
		return 0, 0, bad("the ASF header cannot be used", offset, err)
	}
	w.publish(s, e, b[:n], v)
	s.phase, s.known = atPackets, true
	s.packetSize = uint32(h.PacketSize)
	s.video = h.Set(asf.Video)
	s.left = h.DataPackets
	return n, 0, nil
}

func (w *worker) publish(s *state, e *abi.Data, header []byte, v *sdk.Verdicts) {
	if len(s.header) > 0 && asf.Compatible(s.header, header) {
		if !s.known { // the rendition of a source that returns goes on under its old header
			p := v.Pieces()
			p.Literal(s.header)
			v.Header(p)
		}
		return
	}
	w.header = asf.Broadcast(w.header[:0], header, e.Entropy)
	p := v.Pieces()
	p.Literal(w.header)
	v.Header(p)
	s.mark = s.mark || s.known
	s.keep(w.header)
}
