package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/rtsp"
)

// recording is what is kept of an encoder that pushes. Without that half there is nothing.
type recording struct{}

func (*recording) appendTo(b []byte) []byte { return b }

func (*recording) readFrom(b []byte) ([]byte, error) { return b, nil }

func (p *plugin) announce(s *state, q *call, v *sdk.Verdicts) { s.reply(q, v, 501).send(v) }

func (p *plugin) setupRecord(s *state, q *call, _ *rtsp.Transport, v *sdk.Verdicts) {
	s.reply(q, v, 501).send(v)
}

func (p *plugin) record(s *state, q *call, v *sdk.Verdicts) { s.reply(q, v, 501).send(v) }

func (p *plugin) recordFrame(*state, *frame, *sdk.Verdicts) {}

func (p *plugin) recordStep(*state, *sdk.Verdicts, *abi.Head) {}

func (p *plugin) recordEvent(*state, abi.Record, *sdk.Verdicts) {}

func (p *plugin) recordTeardown(s *state, q *call, v *sdk.Verdicts) { s.reply(q, v, 501).send(v) }
