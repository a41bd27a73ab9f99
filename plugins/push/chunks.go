package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/unframe"
)

// chunks feeds as many whole chunks as are there and as the outbox has room for.
func (w *worker) chunks(s *state, e *abi.Data, v *sdk.Verdicts) {
	p := v.Pieces()
	cut := w.scratch.Cut(unframe.Input{Layout: s.layout, Bytes: e.Bytes, Offset: e.Offset, PacketSize: s.packetSize,
		Room: v.Room() - unframe.Reserve - len(s.point)}, p)
	if cut.Bad != "" {
		s.refuse(v, 400, cut.Bad)
		return
	}
	s.packetSize = cut.PacketSize
	if s.phase == sniffing && s.packetSize != 0 {
		v.Publish(s.point, "bytes:asf", 0)
		s.phase = framed
	}
	if cut.Fed {
		v.Feed(body, p)
	}
	if cut.Used > 0 {
		v.Consume(body, e.Offset+uint64(cut.Used))
	}
	switch {
	case cut.End && s.phase == framed:
		s.answer(v, "stream ended")
	case cut.Need > 0:
		await(e, cut.Need, v)
	}
}
