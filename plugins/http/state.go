package main

import "github.com/weir-media/weir/abi/v1"

// phase is where a request stands. Most are answered at once and have no state.
type phase uint8

const (
	fresh    phase = iota
	asking         // for the header, which tells the media type
	answered       // after it was asked for
)

// state is what a request remembers that had to ask.
type state struct {
	phase  phase
	isHead bool
	route  []byte // the rendition that was chosen
}

// AppendState packs phase, whether it is HEAD, and the rendition.
func (s *state) AppendState(b []byte) []byte {
	if s.phase == fresh {
		return b
	}
	b = append(b, byte(s.phase), 0)
	if s.isHead {
		b[len(b)-1] = 1
	}
	return append(b, s.route...)
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < 2 || blob[0] > byte(answered) {
		return abi.EINVAL
	}
	s.phase, s.isHead = phase(blob[0]), blob[1] != 0
	s.route = append(s.route[:0], blob[2:]...)
	return nil
}
