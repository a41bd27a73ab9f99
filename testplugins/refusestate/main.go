// Command refusestate cannot read the state that it wrote.
package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return sdk.New[state](nil, event) }) }

func main() { sdk.Main() }

// state can be written; event says that it cannot be read.
type state struct{ broken bool }

// AppendState writes a byte when there is something to remember.
func (s *state) AppendState(b []byte) []byte {
	if s.broken {
		b = append(b, 1)
	}
	return b
}

// ReadState reads it.
func (s *state) ReadState(b []byte) error {
	s.broken = len(b) > 0
	return nil
}

// event answers GET /refusestate, and sins when the query asks for it.
func event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.HTTPRequest:
		if string(e.Query) == "sin" {
			s.broken = true
			v.SetTimer(1, 1)
			return nil
		}
		v.RespondText(200, abi.ResponseClose, "innocent")
	case *abi.Timer:
		if s.broken {
			return abi.ESTATE
		}
	}
	return nil
}
