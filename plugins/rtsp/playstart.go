package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/rtsp"
)

// How PLAY is answered: attach, then attached, then playing and start.

// attach begins to answer PLAY: the viewer is held until it is known with which packet it
// begins.
func (p *plugin) attach(s *state, point *abi.PointSummary, v *sdk.Verdicts) {
	y := &s.play
	if y.isMulticast {
		s.playing(v, "")
		return
	}
	y.tables = nil
	if r, ok := point.Renditions.Find(source); ok && y.tracks.chosen == 0 && !y.isASF && isTables(len(r.Header)) {
		y.tables = append([]byte(nil), r.Header...)
	}
	a := abi.Attach{
		Conn: y.viewer(), Point: s.point, Rendition: sdk.Bytes(y.rendition()),
		Mode: abi.StartKey, OnLag: abi.LagSkip, OnChange: abi.AfterContinue, OnEnd: abi.AfterClose, Hold: 1,
	}
	if y.isASF {
		a.OnChange = abi.AfterClose // another ASF header needs another description
	}
	if p.fastStart > 0 {
		a.Mode, a.Back = abi.StartBurst, p.fastStart
	}
	if !y.isUDP() {
		a.EndBytes = y.byeFrame()
	}
	y.waits = waitAttached
	v.Attach(a, nil)
}

// attached: what PLAY answers is known. The programme tables that the viewer has missed
// go out before its first packet, as the one before it in sequence.
func (s *state) attached(e *abi.Attached, v *sdk.Verdicts) {
	y := &s.play
	if s.pending.kind != kindPlay || y.waits&waitAttached == 0 {
		return
	}
	if y.tracks.chosen != 0 {
		s.playTracks(e, v)
		return
	}
	sequence, timestamp, known := readTag(e.Tag)
	y.clock = clock{isSet: known, timestamp: timestamp, mono: e.MonoNano}
	rtpInfo := ""
	switch {
	case !known:
		y.tables = nil
	case len(y.tables) > 0:
		sequence--
		y.tables = append(appendHead(make([]byte, 0, headSize+most), sequence, timestamp, y.ssrc), y.tables...)
	}
	if known {
		rtpInfo = "url=" + string(s.base) + track + ";seq=" + strconv.FormatUint(uint64(sequence), 10) + ";rtptime=" + strconv.FormatUint(uint64(timestamp), 10)
	}
	s.playing(v, rtpInfo)
	y.waits = waitStart
	if y.isUDP() {
		v.SetTimer(startTimer, startAfter)
		return
	}
	y.start(v)
}

// startAfter is how long after PLAY's answer the first datagram goes out, ns: mplayer opens
// its port when it has read the answer (chosen: a hundredth of a second does here).
const startAfter = 100 * nanosPerMilli

// start lets the viewer go, behind the tables.
func (y *play) start(v *sdk.Verdicts) {
	if y.waits&waitStart == 0 || y.phase != playRunning {
		return
	}
	if packet := y.tables; len(packet) > 0 {
		pieces := v.Pieces()
		if y.isUDP() {
			pieces.Literal(packet)
			v.Send(y.flow, pieces)
		} else {
			var head [rtsp.FrameHead]byte
			pieces.Literal(rtsp.AppendFrame(head[:0], mediaChannel, len(packet)))
			pieces.Literal(packet)
			v.Write(stream, pieces)
		}
	}
	y.waits, y.tables = 0, nil
	v.Resume(y.viewer())
}

// playing answers PLAY. The clock is looked at where silence must end a session: a
// connection that carries media says by itself that it is gone.
func (s *state) playing(v *sdk.Verdicts, rtpInfo string) {
	y := &s.play
	r := s.late(v, 200).field("Range", fromNow)
	if rtpInfo != "" {
		r.field("RTP-Info", rtpInfo)
	}
	r.send(v)
	y.phase, y.waits = playRunning, 0
	switch {
	case y.isUDP():
		v.SetTimer(tickTimer, reportEvery)
	case y.isMulticast:
		v.SetTimer(tickTimer, silence)
	default:
		v.SetTimer(tickTimer, 0)
	}
}
