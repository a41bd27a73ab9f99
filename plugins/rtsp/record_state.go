package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
)

// recPhase is where a recording session stands.
//
//	fresh ──ANNOUNCE──▶ announced (SETUP …) ──RECORD──▶ live
type recPhase uint8

const (
	recFresh recPhase = iota
	recAnnounced
	recLive
)

// maxTracks is how many tracks of an encoder are taken: pictures, and sound in three
// languages (chosen).
const maxTracks = mpegts.MaxTracks

// recording is what an encoder's session remembers. The zero value is none.
type recording struct {
	phase  recPhase
	heard  int64 // when media came last, ns of the host's monotonic clock
	tracks []medium
	mux    mpegts.Mux
	setup  flowSetup
}

// flowSetup is the SETUP that waits for its flows.
type flowSetup struct {
	track  uint8
	opened uint8 // flows that are there
	lower  rtsp.Lower
	client rtsp.Pair
	server rtsp.Pair
}

// coding is what a track's packets hold.
type coding uint8

const (
	codingOther coding = iota // neither picture nor sound: thrown away
	codingH264
	codingAAC
	codingMPA
	codingOpus
	codingTS
	codings
)

// carrier is how a track's packets come.
type carrier uint8

const (
	byNothing carrier = iota
	byChannel         // interleaved: rtp and rtcp are channels
	byFlow            // rtp and rtcp are connections
	carriers
)

// medium is one track of an encoder.
type medium struct {
	coding    coding
	kind      uint8 // payload type
	stream    uint8 // in the transport stream
	by        carrier
	rtp, rtcp uint8
	control   []byte

	clock mediaClock
	in    input
	h264  rtp.H264
	order rtp.Order
	aac   rtp.AAC
}

// input is what is known of the packets that came.
type input struct {
	began    bool
	ssrc     uint32
	highest  uint32 // sequence number, with its cycles above 16 bits
	told     uint32 // highest at the last receiver report
	lost     uint64
	toldLost uint64     // lost at the last receiver report
	window   rtp.Window // of flows
	held     []byte     // datagrams that wait in window, whose offsets are in it
}

const (
	recFixed    = 1 + 1 + 1 + 1 + 1 + 8 + 2*4 + 2
	inputFixed  = 3*4 + 2*8
	mediumFixed = 7 + inputFixed + mediaClockSize + 2
)

// appendTo packs phase, numbers, the multiplexer and the tracks, all little-endian, with
// the lengths of what is not of fixed size before it. Of the zero value nothing is left.
func (r *recording) appendTo(b []byte) []byte {
	if r.phase == recFresh {
		return b
	}
	le := binary.LittleEndian
	b = append(b, byte(r.phase), byte(len(r.tracks)), r.setup.track, r.setup.opened, byte(r.setup.lower))
	b = le.AppendUint64(b, uint64(r.heard))
	for _, p := range [...]rtsp.Pair{r.setup.client, r.setup.server} {
		b = le.AppendUint16(b, p.RTP)
		b = le.AppendUint16(b, p.RTCP)
	}
	b = appendSized(b, r.mux.AppendBinary)
	for i := range r.tracks {
		b = r.tracks[i].appendTo(b)
	}
	return b
}

// appendSized appends what f appends, with its length before it.
func appendSized(b []byte, f func([]byte) ([]byte, error)) []byte {
	at := len(b)
	b, _ = f(append(b, 0, 0)) // never fails
	binary.LittleEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	return b
}

func (t *medium) appendTo(b []byte) []byte {
	le := binary.LittleEndian
	began := byte(0)
	if t.in.began {
		began = 1
	}
	b = append(b, byte(t.coding), t.kind, t.stream, byte(t.by), t.rtp, t.rtcp, began)
	for _, n := range [...]uint32{t.in.ssrc, t.in.highest, t.in.told} {
		b = le.AppendUint32(b, n)
	}
	b = le.AppendUint64(b, t.in.lost)
	b = le.AppendUint64(b, t.in.toldLost)
	b = t.clock.append(b)
	b = le.AppendUint16(b, uint16(len(t.control)))
	b = append(b, t.control...)
	switch t.coding {
	case codingH264:
		b = appendSized(b, t.h264.AppendBinary)
		b = appendSized(b, t.order.AppendBinary)
	case codingAAC:
		b = appendSized(b, t.aac.AppendBinary)
	}
	if t.by == byFlow {
		b = appendSized(b, t.in.window.AppendBinary)
		b = le.AppendUint16(b, uint16(len(t.in.held)))
		b = append(b, t.in.held...)
	}
	return b
}

// readFrom unpacks what appendTo packed, and gives what follows it. Of nothing it makes
// the zero value.
func (r *recording) readFrom(b []byte) (rest []byte, err error) {
	*r = recording{}
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < recFixed || b[0] == 0 || b[0] > byte(recLive) || b[1] > maxTracks || b[4] > byte(rtsp.TCP) {
		return nil, abi.EINVAL
	}
	r.phase, r.tracks = recPhase(b[0]), make([]medium, b[1])
	r.setup.track, r.setup.opened, r.setup.lower = b[2], b[3], rtsp.Lower(b[4])
	r.heard = int64(binary.LittleEndian.Uint64(b[5:]))
	r.setup.client, r.setup.server = readPair(b[13:]), readPair(b[17:])
	if b, err = readSized(b[recFixed-2:], r.mux.UnmarshalBinary); err != nil {
		return nil, err
	}
	for i := range r.tracks {
		if b, err = r.tracks[i].readFrom(b); err != nil {
			return nil, err
		}
		if t := &r.tracks[i]; r.phase == recLive && t.isMuxed() && int(t.stream) >= r.mux.Tracks() {
			return nil, abi.EINVAL
		}
	}
	return b, nil
}

func readPair(b []byte) rtsp.Pair {
	p := rtsp.Pair{RTP: binary.LittleEndian.Uint16(b), RTCP: binary.LittleEndian.Uint16(b[2:])}
	p.Set = p.RTP != 0
	return p
}

// readSized hands what appendSized appended to f, and gives what follows it.
func readSized(b []byte, f func([]byte) error) (rest []byte, err error) {
	own, rest, err := cutSized(b)
	if err != nil {
		return nil, err
	}
	return rest, f(own)
}

func cutSized(b []byte) (own, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, abi.EINVAL
	}
	n := 2 + int(binary.LittleEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, abi.EINVAL
	}
	return b[2:n], b[n:], nil
}

func (t *medium) readFrom(b []byte) (rest []byte, err error) {
	le := binary.LittleEndian
	if len(b) < mediumFixed || b[0] >= byte(codings) || b[3] >= byte(carriers) || b[6] > 1 {
		return nil, abi.EINVAL
	}
	*t = medium{coding: coding(b[0]), kind: b[1], stream: b[2], by: carrier(b[3]), rtp: b[4], rtcp: b[5]}
	t.in = input{began: b[6] == 1, ssrc: le.Uint32(b[7:]), highest: le.Uint32(b[11:]), told: le.Uint32(b[15:]), lost: le.Uint64(b[19:]), toldLost: le.Uint64(b[27:])}
	if !t.clock.read(b[7+inputFixed:]) {
		return nil, abi.EINVAL
	}
	own, b, err := cutSized(b[mediumFixed-2:])
	t.control = append(t.control, own...)
	if err == nil && t.coding == codingH264 {
		if b, err = readSized(b, t.h264.UnmarshalBinary); err == nil {
			b, err = readSized(b, t.order.UnmarshalBinary)
		}
	}
	if err == nil && t.coding == codingAAC {
		b, err = readSized(b, t.aac.UnmarshalBinary)
	}
	if err == nil && t.by == byFlow {
		if b, err = readSized(b, t.in.window.UnmarshalBinary); err == nil {
			own, b, err = cutSized(b)
			t.in.held = append(t.in.held, own...)
		}
	}
	return b, err
}
