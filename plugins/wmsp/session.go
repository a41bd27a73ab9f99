package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
)

// doing is what a player's connection is used for.
type doing uint8

const (
	nothing    doing = 0
	takingBody doing = 1 // of a POST that is answered at its end
	playing    doing = 2
)

// session is the state of one exchange with a player. A packager's session has none.
type session struct {
	doing  doing
	client uint32 // client-id (MS-WMSP 2.2.1.4.5)
}

const stateSize = 1 + 4 // bytes

// AppendState implements sdk.State.
func (s *session) AppendState(b []byte) []byte {
	if s.doing == nothing {
		return b
	}
	return binary.LittleEndian.AppendUint32(append(b, byte(s.doing)), s.client)
}

// ReadState implements sdk.State.
func (s *session) ReadState(blob []byte) error {
	if len(blob) < stateSize || doing(blob[0]) > playing {
		return abi.EINVAL
	}
	*s = session{doing: doing(blob[0]), client: binary.LittleEndian.Uint32(blob[1:])}
	return nil
}
