package main

import (
	"bytes"
	"encoding/hex"
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

// keyBytes is how many bytes of entropy a key has. Chosen: 2⁶⁴ are not guessed in a minute.
const keyBytes = 8

// state is whether the caller is a viewer, or which key it has to send back first.
type state struct {
	joined bool
	key    []byte // hexadecimal; empty: it has none yet
}

// AppendState writes one byte for a viewer, and the key of who is none yet.
func (s *state) AppendState(b []byte) []byte {
	if s.joined {
		return append(b, 1)
	}
	return append(b, s.key...)
}

// ReadState reads it.
func (s *state) ReadState(blob []byte) error {
	switch {
	case len(blob) == 1 && blob[0] == 1:
		s.joined = true
	case len(blob) == hex.EncodedLen(keyBytes):
		s.key = bytes.Clone(blob)
	default:
		return abi.EINVAL
	}
	return nil
}

func newPlugin() *sdk.Plugin { return sdk.New(nil, event) }

func event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Datagrams:
		s.datagrams(e, v)
	case *abi.Refused:
		s.joined, s.key = false, nil
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
		b, isProven := s.proof(b)
		name, isJoin := bytes.CutPrefix(b, []byte("JOIN "))
		if s.joined || !isJoin {
			continue
		}
		p := v.Pieces()
		if !isProven { // the sender's address may be another's
			if len(s.key) == 0 {
				s.key = hex.AppendEncode(nil, e.Entropy[:keyBytes])
			}
			p.Text("KEY " + string(s.key) + "\n")
			v.Send(caller, p)
			continue
		}
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

// proof takes the key off, and tells whether it was there.
func (s *state) proof(b []byte) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(b, []byte("KEY "+string(s.key)+" "))
	return rest, ok && len(s.key) > 0
}
