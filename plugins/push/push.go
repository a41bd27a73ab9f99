package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/unframe"
)

// body is the connection number of an exchange (spec.md §5).
const body = 1

// worker is an instance's scratch space; no verdict depends on what is left in it.
type worker struct{ scratch unframe.Scratch }

func newPlugin() *sdk.Plugin {
	return sdk.New(nil, new(worker).event)
}

func (w *worker) event(s *state, e abi.Record, v *sdk.Verdicts) error {
	if s.phase == done {
		return nil
	}
	switch e := e.(type) {
	case *abi.HTTPRequest:
		s.request(e, v)
	case *abi.Data:
		w.data(s, e, v)
	case *abi.End:
		s.ended(e, v)
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Stop:
		s.stopped(e, v)
	}
	return nil
}

func (w *worker) data(s *state, e *abi.Data, v *sdk.Verdicts) {
	switch s.phase {
	case sniffing:
		w.sniff(s, e, v)
	case framed:
		w.chunks(s, e, v)
	}
}

// ended: the body is over. Before anything was published that is the encoder's fault.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) {
	switch {
	case e.Reason == abi.EndReset:
		s.phase = done
	case e.Reason == abi.EndTimeout:
		s.refuse(v, 408, "the encoder sent nothing for too long; its connection is closed")
	case s.phase == sniffing && e.Offset == 0:
		s.refuse(v, 400, bodyless)
	case s.phase == sniffing:
		s.refuse(v, 400, "the body ended after "+number(e.Offset)+" bytes, before its beginning was complete"+s.beginning())
	default:
		s.answer(v, "stream ended")
	}
}

// answer ends an exchange that went well.
func (s *state) answer(v *sdk.Verdicts, text string) {
	s.phase = done
	v.RespondText(200, abi.ResponseClose, text)
}

func (s *state) beginning() string {
	switch s.layout {
	case asf.Plain, asf.FramedMMS, asf.FramedPush:
		return " (an ASF header was expected)"
	}
	return ""
}
