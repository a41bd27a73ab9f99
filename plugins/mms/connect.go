package main

import (
	"bytes"
	"math"

	"github.com/weir-media/weir/sdk"
)

// send sends a message of 32-bit fields.
func (s *session) send(v *sdk.Verdicts, k kind, fields ...uint32) {
	r := s.begin(k)
	r.u32(fields...)
	s.write(v, &r)
}

func (s *session) begin(k kind) reply {
	r := begin(k, s.sequence)
	s.sequence++
	return r
}

func (s *session) write(v *sdk.Verdicts, r *reply) {
	p := v.Pieces()
	p.Literal(r.bytes())
	v.Write(player, p)
}

// What is said of this server.
const (
	noIncarnation  = 0xF0F0F0EF // wire digest §4.2: before anything is played
	serverRevision = 0x0004000B // of the protocol, to players
	playerRevision = 0x0003001C // and from them
	blockBytes     = 0x8000
	maxBitRate     = 10_000_000 // bits per second
	serverVersion  = "9.6.7600.16385"
)

// connect greets a player (wire digest §4.2, ConnectedEX).
func (s *session) connect(v *sdk.Verdicts) {
	if s.phase == fresh {
		s.phase = connected
	}
	r := s.begin(reportConnected)
	r.u32(succeeded, noIncarnation, serverRevision, playerRevision)
	r.u64(math.Float64bits(1)) // seconds of a block group
	r.u32(1, 1, blockBytes, maxBitRate)
	r.u32(uint32(len(serverVersion))+1, 0, 0, 0) // characters of the texts that follow
	r.text(serverVersion)
	s.write(v, &r)
}

// tellFunnelInfo answers how a player could be reached (wire digest §4.2); ffmpeg asks, and
// looks at the first field alone.
func (s *session) tellFunnelInfo(v *sdk.Verdicts) {
	const transports, fragments, fragmentBytes, disks = 8, 1, 0x10000, 1
	s.send(v, reportFunnelInfo, succeeded, noIncarnation, transports, fragments, fragmentBytes, 0, 0, disks, 0, 0)
}

// transportAt is where the name of a transport stands in ConnectFunnel: \\ADDRESS\TCP\PORT.
// Players write a fixed address there; media goes over the connection that the message
// came by.
const transportAt = 60

// connectFunnel agrees on TCP (wire digest §4.2, ConnectFunnel). A player that asks for UDP is
// refused so that it asks for TCP.
func (s *session) connectFunnel(m *message, v *sdk.Verdicts) {
	var room [maxMessage]byte
	text := m.appendText(room[:0], transportAt)
	if bytes.Contains(bytes.ToUpper(text), []byte(`\UDP\`)) {
		s.send(v, reportNoFunnel, errNotSupported, 0)
		return
	}
	r := s.begin(reportFunnel)
	r.u32(succeeded, 0, 0)
	r.text("Funnel Of The Gods") // wire digest §4.2: what servers say
	s.write(v, &r)
}
