package main

import (
	"bytes"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

const (
	caller  = 1 // the connection
	silence = 1 // the timer
	// patience is how long a caller may be silent. Chosen: two datagrams a minute keep a viewer.
	patience = 30 * time.Second
)

// state is whether the caller is a viewer.
type state struct{ joined bool }

// AppendState writes one byte for a viewer.
func (s *state) AppendState(b []byte) []byte {
	if s.joined {
		return append(b, 1)
	}
	return b
}

// ReadState reads it.
func (s *state) ReadState(blob []byte) error {
	if len(blob) != 1 || blob[0] != 1 {
		return abi.EINVAL
	}
	s.joined = true
	return nil
}

func newPlugin() *sdk.Plugin { return sdk.New(nil, event) }

func event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Datagrams:
		s.datagrams(e, v)
	case *abi.Refused:
		s.joined = false
		p := v.Pieces()
		p.Text("NO " + e.Code.String() + "\n")
		v.Send(caller, p)
		v.Close(caller, abi.CloseNow, e.Code.String())
	case *abi.Timer:
		v.Close(caller, abi.CloseFlush, "the caller is silent")
	case *abi.Stop:
		v.Close(caller, abi.CloseFlush, string(e.Text))
	}
	return nil
}

func (s *state) datagrams(e *abi.Datagrams, v *sdk.Verdicts) {
	rest := e.Bytes
	for d := range e.Datagrams.All() {
		b := bytes.TrimSpace(rest[:d.Size])
		rest = rest[d.Size:]
		if bytes.Equal(b, []byte("BYE")) {
			v.Close(caller, abi.CloseFlush, "bye")
			return
		}
		name, isJoin := bytes.CutPrefix(b, []byte("JOIN "))
		if s.joined || !isJoin {
			continue
		}
		p := v.Pieces()
		p.Text("HELLO " + string(name) + "\n")
		point, rendition, ok := bytes.Cut(name, []byte(" "))
		if !ok {
			rendition = sdk.Bytes("mpegts")
		}
		v.Attach(abi.Attach{
			Conn: caller, Point: point, Rendition: rendition, Mode: abi.StartKey, OnLag: abi.LagSkip,
			OnChange: abi.AfterContinue, OnEnd: abi.AfterClose, WithHeader: 1, EndBytes: sdk.Bytes("END\n"),
		}, p)
		s.joined = true
	}
	v.SetTimer(silence, int64(patience))
}
