package main

import "github.com/weir-media/weir/abi/v1"

// phase is where a player stands.
//
//	fresh ─Connect─▶ connected ─OpenFile─▶ asking ─▶ opening ─point is live─▶ opened
//	                     ▲────────────not to be had─────┘                     │  ▲
//	                                                 StartPlaying: starting ◀─┘  │
//	                                                         │                   │
//	                                                      playing ─end, change───┤
//	                                            StopPlaying: └▶ stopping ────────┘
//
// In asking and starting the host delivers what is left of the message once more, and the
// plugin says there what the host may refuse: so that REFUSED meets a state that tells
// whom to answer what.
type phase uint8

const (
	fresh phase = iota
	connected
	asking   // the next DATA asks for the point
	opening  // POINT is awaited
	opened   // nothing is sent but what the player asks for
	starting // the next DATA attaches
	playing
	stopping // DETACHED is awaited
	closed
)

// session is the state of one player's connection. A packager's session has none.
type session struct {
	phase       phase
	quiet       uint8  // ticks without a message
	turning     bool   // the player is to be told of another header
	over        bool   // the stream has ended, and the player has asked for nothing since
	sequence    uint16 // of the next message to the player
	isDeaf      bool   // no message ends the player
	packetSize  uint32 // of the header that the player has, in bytes; 0: it has none
	incarnation uint32 // that the player has given to what it plays (wire digest §4.2, StartPlaying)
	hold        uint64 // where the message that is under way ends in the input; 0: none is
	sent        uint64 // the mark of the header that the player has; 0: none
	current     uint64 // the mark of the header that the point has; 0: none
	point       []byte
}

const (
	bitTurning = 1 << iota
	bitOver
	bitDeaf
)

const fixedSize = 1 + 1 + 1 + 1 + 2 + 2 + 4 + 4 + 8 + 8 + 8 // bytes

// AppendState packs phase, quiet, bits, a spare byte, sequence, the length of the point's
// name, incarnation, packet size, hold, sent and current, little-endian, then the
// name.
func (s *session) AppendState(b []byte) []byte {
	if s.phase == fresh && s.quiet == 0 {
		return b
	}
	bits := byte(0)
	if s.turning {
		bits |= bitTurning
	}
	if s.over {
		bits |= bitOver
	}
	if s.isDeaf {
		bits |= bitDeaf
	}
	b = append(b, byte(s.phase), s.quiet, bits, 0)
	b = le.AppendUint16(b, s.sequence)
	b = le.AppendUint16(b, uint16(len(s.point)))
	b = le.AppendUint32(b, s.incarnation)
	b = le.AppendUint32(b, s.packetSize)
	for _, n := range [...]uint64{s.hold, s.sent, s.current} {
		b = le.AppendUint64(b, n)
	}
	return append(b, s.point...)
}

// ReadState unpacks what AppendState packed.
func (s *session) ReadState(b []byte) error {
	if len(b) < fixedSize || b[0] > byte(closed) || b[2] > bitTurning|bitOver|bitDeaf || int(le.Uint16(b[6:])) != len(b)-fixedSize {
		return abi.EINVAL
	}
	point := s.point[:0]
	*s = session{
		phase: phase(b[0]), quiet: b[1], turning: b[2]&bitTurning != 0, over: b[2]&bitOver != 0, isDeaf: b[2]&bitDeaf != 0,
		sequence: le.Uint16(b[4:]), incarnation: le.Uint32(b[8:]), packetSize: le.Uint32(b[12:]),
		hold: le.Uint64(b[16:]), sent: le.Uint64(b[24:]), current: le.Uint64(b[32:]),
		point: append(point, b[fixedSize:]...),
	}
	return nil
}
