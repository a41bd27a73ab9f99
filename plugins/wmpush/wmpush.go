package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/unframe"
)

const (
	// usualTimeout is the server's of MS-WMHTTP 4.8.
	usualTimeout = 60_000
	nsPerMs      = 1_000_000
	// silence is the timer that runs out when an encoder sends nothing.
	silence = 1
)

// plugin is an instance: its configuration, and scratch space on which no verdict depends.
type plugin struct {
	timeoutMs int64
	scratch   unframe.Scratch
}

func newPlugin() *sdk.Plugin {
	p := &plugin{timeoutMs: usualTimeout}
	return sdk.New(p.open, p.event)
}

func (p *plugin) open(o *abi.Open) error {
	p.timeoutMs = sdk.Config(o.Config).Int("timeout_ms", usualTimeout)
	return nil
}

func (p *plugin) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	if s.phase == done {
		return nil
	}
	switch e := e.(type) {
	case *abi.HTTPRequest:
		p.request(s, e, v)
	case *abi.Data:
		p.data(s, e, v)
	case *abi.End:
		p.ended(s, e, v)
	case *abi.Timer:
		s.silent(v)
	case *abi.Refused:
		p.refused(s, e, v)
	case *abi.Stop:
		s.stopped(e, v)
	}
	return nil
}

// ended: a request's body is over, or its connection is.
func (p *plugin) ended(s *state, e *abi.End, v *sdk.Verdicts) {
	switch {
	case e.Reason == abi.EndTimeout:
		s.silent(v)
	case e.Reason != abi.EndClosed || s.endless:
		s.leave(v, "the encoder's connection has ended")
	case s.phase == setup:
		p.answerSetup(s, e.Entropy, v)
	case s.phase == streaming:
		// MS-WMHTTP 3.2.5.3: as many bytes as the request announced; another follows.
		s.phase = ready
		v.SetTimer(silence, 0)
		v.Respond(204, 0, p.head(v), nil)
	}
}

// silent: nothing has come for too long.
func (s *state) silent(v *sdk.Verdicts) {
	s.refuse(v, refusal{408, errTimeout, "the encoder sent nothing for too long; its session has ended"})
}

// leave ends the session without an answer.
func (s *state) leave(v *sdk.Verdicts, why string) {
	s.phase = done
	v.Close(0, abi.CloseNow, why)
}

// last gives an answer that ends the session.
func (s *state) last(v *sdk.Verdicts) {
	s.phase = done
	v.Close(0, abi.CloseFlush, "answered")
}
