package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/rtsp"
)

// playPhase is where an RTSP session for playing stands (RFC 2326 A.2).
//
//	playNone ──SETUP──▶ playReady ──PLAY──▶ playRunning ◀──PLAY── playPaused
//	                                             └────────PAUSE───────▲
type playPhase uint8

const (
	playNone playPhase = iota
	playReady
	playRunning
	playPaused
	playPhases
)

// What a SETUP or PLAY waits for.
const (
	waitPoint = 1 << iota
	waitRTP
	waitRTCP
	waitAttached
	waitStart
	waitTracks
	waitsAll = 1<<iota - 1
)

// play is what is kept of a player.
type play struct {
	phase       playPhase
	described   described
	isMulticast bool
	isRefused   bool       // one of the flows could not be had
	isASF       bool       // Windows Media's dialect is spoken
	lower       rtsp.Lower // as it was asked for
	waits       uint8
	client      rtsp.Pair
	server      rtsp.Pair
	flow        uint32 // number of the flow of RTP, behind which that of RTCP stands; 0: none
	next        uint32 // number of the next flow
	ssrc        uint32
	clock       clock
	tracks      trackPlay
	tables      []byte // of the transport stream, from POINT on; from ATTACHED on the first RTP packet
}

// described is what a player knows of the point.
type described struct {
	is         bool   // by DESCRIBE
	isPlain    bool   // and by OPTIONS that Windows Media's dialect is not spoken
	generation uint64 // of the header that DESCRIBE told of
}

// clock is a moment at which the timestamp was known.
type clock struct {
	isSet     bool
	timestamp uint32
	mono      int64 // ns
}

// firstFlow is the lowest number that a plugin may give (spec.md §6.17).
const firstFlow = 2

// take begins a SETUP.
func (y *play) take(t *rtsp.Transport) {
	next := max(y.next, firstFlow)
	*y = play{described: y.described, phase: y.phase, isMulticast: t.Multicast, lower: t.Lower, client: t.ClientPort, next: next, waits: waitPoint}
	if y.isUDP() {
		y.flow = next
		y.next = next + 2
		y.waits |= waitRTP | waitRTCP
	}
}

// isUDP tells whether media goes in datagrams to the player alone.
func (y *play) isUDP() bool { return y.lower != rtsp.TCP && y.lower != rtsp.Other && !y.isMulticast }

// viewer is the connection that is attached.
func (y *play) viewer() uint32 {
	if y.isUDP() {
		return y.flow
	}
	return stream
}

// rendition is what is attached to.
func (y *play) rendition() string {
	switch {
	case y.isASF:
		return asfFrames
	case y.tracks.chosen != 0:
		return trackFrames
	case y.lower == rtsp.TCP:
		return interleaved
	}
	return overUDP
}

// dropFlows closes those that are open.
func (y *play) dropFlows(v *sdk.Verdicts) {
	if y.flow == 0 {
		return
	}
	if y.server.RTP != 0 {
		v.Close(y.flow, abi.CloseNow, "another transport")
	}
	if y.server.RTCP != 0 {
		v.Close(y.flow+1, abi.CloseNow, "another transport")
	}
	y.flow, y.server = 0, rtsp.Pair{}
}

// bye tells a player by RTCP that nothing follows.
func (y *play) bye(v *sdk.Verdicts) {
	if y.phase != playRunning || !y.isUDP() || y.server.RTCP == 0 {
		return
	}
	var room [byeSize]byte
	p := v.Pieces()
	p.Literal(appendBye(room[:0], y.ssrc))
	v.Send(y.flow+1, p)
}

// byeFrame is the same for a player whose media is interleaved.
func (y *play) byeFrame() []byte {
	if y.tracks.chosen != 0 {
		return y.tracks.byeFrames()
	}
	b := rtsp.AppendFrame(make([]byte, 0, rtsp.FrameHead+byeSize), controlChannel, byeSize)
	return appendBye(b, y.ssrc)
}

const (
	bitDescribed = 1 << iota
	bitMulticast
	bitRefused
	bitClock
	bitClient
	bitASF
	bitPlain
	playBits = 1<<iota - 1
)

func (y *play) bits() (b byte) {
	for i, set := range [...]bool{y.described.is, y.isMulticast, y.isRefused, y.clock.isSet, y.client.Set, y.isASF, y.described.isPlain} {
		if set {
			b |= 1 << i
		}
	}
	return b
}

// playSize is of what appendTo appends before the tables, bytes.
const playSize = 4 + 4*2 + 4*4 + 2*8 + trackSize

func (y *play) appendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, byte(y.phase), y.bits(), byte(y.lower), y.waits)
	for _, n := range [...]uint16{y.client.RTP, y.client.RTCP, y.server.RTP, y.server.RTCP} {
		b = le.AppendUint16(b, n)
	}
	for _, n := range [...]uint32{y.flow, y.next, y.ssrc, y.clock.timestamp} {
		b = le.AppendUint32(b, n)
	}
	b = le.AppendUint64(b, uint64(y.clock.mono))
	b = le.AppendUint64(b, y.described.generation)
	return appendText(y.tracks.appendTo(b), y.tables)
}

func (y *play) readFrom(b []byte) (rest []byte, err error) {
	if len(b) < playSize || playPhase(b[0]) >= playPhases || b[1] > playBits || rtsp.Lower(b[2]) > rtsp.TCP || b[3] > waitsAll {
		return nil, abi.EINVAL
	}
	le := binary.LittleEndian
	bit := func(mask byte) bool { return b[1]&mask != 0 }
	y.phase, y.lower, y.waits = playPhase(b[0]), rtsp.Lower(b[2]), b[3]
	y.described = described{is: bit(bitDescribed), isPlain: bit(bitPlain), generation: le.Uint64(b[36:])}
	y.isMulticast, y.isRefused, y.isASF = bit(bitMulticast), bit(bitRefused), bit(bitASF)
	y.client = rtsp.Pair{RTP: le.Uint16(b[4:]), RTCP: le.Uint16(b[6:]), Set: bit(bitClient)}
	y.server = rtsp.Pair{RTP: le.Uint16(b[8:]), RTCP: le.Uint16(b[10:])}
	y.server.Set = y.server.RTP != 0 && y.server.RTCP != 0
	y.flow, y.next, y.ssrc = le.Uint32(b[12:]), le.Uint32(b[16:]), le.Uint32(b[20:])
	y.clock = clock{isSet: bit(bitClock), timestamp: le.Uint32(b[24:]), mono: int64(le.Uint64(b[28:]))}
	if err = y.tracks.readFrom(b[playSize-trackSize:]); err != nil {
		return nil, err
	}
	y.tables, rest, err = readText(y.tables, b[playSize:])
	return rest, err
}
