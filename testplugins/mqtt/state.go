package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
)

// state is what a session remembers. The zero value stands before CONNECT.
type state struct {
	connected   bool
	keepSeconds uint16
	asked       asked
	topics      []topic
}

// asked is a SUBSCRIBE whose points the host has not given yet. Without filters there is none.
type asked struct {
	id      [2]byte
	filters int
	end     uint64 // offset of what follows the packet
}

// topic is a subscription, and what its point was last said to be, empty: nothing yet.
type topic struct{ name, last string }

func (s *state) find(name []byte) int {
	for i, t := range s.topics {
		if t.name == string(name) {
			return i
		}
	}
	return -1
}

func (s *state) forget(name []byte) {
	if i := s.find(name); i >= 0 {
		s.topics = append(s.topics[:i:i], s.topics[i+1:]...)
	}
}

// fixedSize is that of all but the topics: Keep Alive, SUBSCRIBE's identifier, count and end.
const fixedSize = 2 + 2 + 1 + 8

// AppendState packs the fields in their order, big-endian as MQTT is, then names and last states as strings of MQTT.
func (s *state) AppendState(b []byte) []byte {
	if !s.connected {
		return b
	}
	b = binary.BigEndian.AppendUint16(b, s.keepSeconds)
	b = append(b, s.asked.id[0], s.asked.id[1], byte(s.asked.filters))
	b = binary.BigEndian.AppendUint64(b, s.asked.end)
	for _, t := range s.topics {
		b = appendText(appendText(b, t.name), t.last)
	}
	return b
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[4] > maxFilters {
		return abi.EINVAL
	}
	*s = state{connected: true, keepSeconds: binary.BigEndian.Uint16(blob), topics: s.topics[:0]}
	s.asked = asked{id: [2]byte(blob[2:]), filters: int(blob[4]), end: binary.BigEndian.Uint64(blob[5:])}
	for rest := blob[fixedSize:]; len(rest) > 0; {
		name, more, ok := sized(rest)
		last, more, also := sized(more)
		if !ok || !also || len(s.topics) == maxTopics {
			return abi.EINVAL
		}
		s.topics, rest = append(s.topics, topic{string(name), string(last)}), more
	}
	return nil
}
