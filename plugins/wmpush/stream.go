package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/unframe"
)

func (p *plugin) data(s *state, e *abi.Data, v *sdk.Verdicts) {
	switch s.phase {
	case setup:
		p.takeDirectives(s, e, v)
	case streaming:
		p.stream(s, e, v)
	}
}

// takeDirectives reads the body of a PushSetup once it is whole; its end is answered.
func (p *plugin) takeDirectives(s *state, e *abi.Data, v *sdk.Verdicts) {
	if uint32(len(e.Bytes)) < s.length && e.Flags&abi.DataLast == 0 {
		v.Need(e.Conn, int(s.length))
		return
	}
	if no, ok := s.directives(e.Bytes); !ok {
		s.refuse(v, no)
		return
	}
	v.Consume(e.Conn, e.Offset+uint64(len(e.Bytes)))
}

// stream feeds as many whole chunks as are there and as the outbox has room for. The
// first $H, or the header in a $C, makes the session the point's source.
func (p *plugin) stream(s *state, e *abi.Data, v *sdk.Verdicts) {
	pieces := v.Pieces()
	cut := p.scratch.Cut(unframe.Input{Layout: asf.FramedPush, Bytes: e.Bytes, Offset: e.Offset, PacketSize: s.packetSize, Entries: true,
		Room: v.Room() - unframe.Reserve - len(s.point) - len(s.template)}, pieces)
	isLast := e.Flags&abi.DataLast != 0
	switch {
	case cut.Bad != "":
		s.refuse(v, refusal{400, "", cut.Bad})
		return
	case isLast && cut.Need > 0 && !s.endless: // MS-WMHTTP 2.2.2.2: a body is whole packets, $F fills it up
		s.refuse(v, refusal{400, "", "the PushStart ends inside of a chunk"})
		return
	}
	s.packetSize = cut.PacketSize
	if !s.published && s.packetSize != 0 {
		flags := abi.PublishFlags(0)
		if s.autoDestroy {
			flags = abi.PublishAutoDestroy
		}
		v.PublishFrom(s.template, s.point, "bytes:asf", flags)
		s.published = true
	}
	if cut.Fed {
		v.Feed(e.Conn, pieces)
	}
	if cut.Used > 0 {
		v.Consume(e.Conn, e.Offset+uint64(cut.Used))
	}
	if cut.End {
		p.finish(s, cut.Reason, v)
		return
	}
	if cut.Need > 0 && !isLast {
		v.Need(e.Conn, cut.Need)
	}
	v.SetTimer(silence, p.timeoutMs*nsPerMs)
}

// finish: the encoder says that nothing follows (MS-WMHTTP 2.2.3.3), however much its
// request has announced.
func (p *plugin) finish(s *state, reason uint32, v *sdk.Verdicts) {
	if reason != asf.ReasonDone {
		v.Metric("streams_broken_off", 1)
	}
	v.Respond(204, abi.ResponseClose, p.head(v), nil)
	s.last(v)
}
