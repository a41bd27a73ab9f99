package main

import (
	"bytes"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
)

// silence is for how long a player may give no sign, ns: the session's timeout and as much
// as a report may be late (chosen).
const silence = 65 * nanosPerSecond

// playEvent takes what is not input of the connection.
func (p *plugin) playEvent(s *state, e abi.Record, v *sdk.Verdicts) {
	switch e := e.(type) {
	case *abi.Point:
		p.pointed(s, e, v)
	case *abi.Dialed:
		s.dialed(e, v)
	case *abi.Attached:
		s.attached(e, v)
	case *abi.Datagrams:
		s.seen = e.MonoNano // receiver reports, and what opens a firewall
	case *abi.Detached:
		if e.Conn == s.play.viewer() && sdk.String(e.Reason) != "detached" {
			s.leave(v, "the viewer has ended: "+string(e.Reason))
		}
	case *abi.Refused:
		s.refused(e, v)
	case *abi.Stop:
		s.stopped(e, v)
	}
}

// step asks the host for what the pending request needs.
func (p *plugin) step(s *state, v *sdk.Verdicts) {
	v.Watch(s.point)
	y := &s.play
	if s.pending.kind != kindSetup || y.flow == 0 {
		return
	}
	v.Dial(y.flow, p.peerURL(y.client.RTP, ""), 0)
	v.Dial(y.flow+1, p.peerURL(y.client.RTCP, "odd"), 0)
}

// peerURL is how a flow to the player is dialled (spec.md §6.17).
func (p *plugin) peerURL(port uint16, query string) []byte {
	b := strconv.AppendUint([]byte("udp://peer:"), uint64(port), 10)
	if p.ports != "" {
		if query != "" {
			query += "&"
		}
		query += "ports=" + p.ports
	}
	if query != "" {
		b = append(append(b, '?'), query...)
	}
	return b
}

// pointed: what the host says of the point. Without a request that waits for it, it says
// nothing to a player: the rendition goes on, or ends by its own rules.
func (p *plugin) pointed(s *state, e *abi.Point, v *sdk.Verdicts) {
	y, point := &s.play, &e.Summary
	switch {
	case s.pending.kind == kindNone || s.pending.kind >= kindRecord || !bytes.Equal(point.Name, s.point):
		return
	case s.pending.kind == kindPlay && y.waits&waitAttached != 0:
		return
	}
	if s.mode == modeNone && s.pending.kind != kindSetup {
		y.isASF = isOfASF(point)
	}
	if s.pending.kind == kindOptions {
		s.optionsOf(v)
		return
	}
	rendition := s.asked()
	no, ok := judge(point, rendition)
	if y.awaitTracks(no.passes, v) {
		return
	}
	if ok && s.pending.kind == kindSetup && y.tracks.setting > 0 && !y.tracks.find(point) {
		no, ok = refusal{status: 404, words: "there is no such track"}, false
	}
	if !ok {
		if s.pending.kind == kindSetup {
			s.giveUp(v)
		}
		s.refuse(no, v)
		return
	}
	p.goOn(s, point, rendition, v)
}

// goOn answers the pending request, or begins to, with a point that can be had.
func (p *plugin) goOn(s *state, point *abi.PointSummary, rendition string, v *sdk.Verdicts) {
	y := &s.play
	r, _ := point.Renditions.Find(rendition)
	switch s.pending.kind {
	case kindDescribe, kindDescribeTracks:
		if y.isASF && y.described.isPlain {
			s.redirect(v)
			return
		}
		y.described.generation = r.Generation
		sdp := s.describeTracks(point, r.Header)
		if rendition == interleaved {
			sdp = s.describePoint(point, ssrcOf(r.Header))
		}
		s.late(v, 200).field("Content-Base", string(s.base)).body("application/sdp", sdp).send(v)
	case kindSetup:
		y.ssrc = ssrcOf(r.Header)
		y.waits &^= waitPoint
		p.answerSetup(s, v)
	case kindPlay:
		if y.isASF && y.described.is && y.described.generation != r.Generation {
			s.refuse(refusal{status: 503, words: "publishing point " + strconv.Quote(sdk.String(point.Name)) + " has another header since it was described; ask anew"}, v)
			s.end(v, abi.CloseFlush, "the point has another header than the player knows")
			return
		}
		y.ssrc = ssrcOf(r.Header)
		if y.tracks.chosen != 0 {
			y.tracks.clocks = clocksOf(r.Header)
		}
		p.attach(s, point, v)
	}
}

// dialed: one of the two flows of a SETUP.
func (s *state) dialed(e *abi.Dialed, v *sdk.Verdicts) {
	y := &s.play
	if s.pending.kind != kindSetup || e.Conn != y.flow && e.Conn != y.flow+1 {
		return
	}
	port := portOf(e.Local)
	if e.Code != abi.OK || port == 0 {
		y.isRefused, port = true, 0
		sdk.Log(sdk.Warn, "a player cannot be sent to by UDP: "+string(e.Text))
	}
	if e.Conn == y.flow {
		y.waits &^= waitRTP
		y.server.RTP = port
	} else {
		y.waits &^= waitRTCP
		y.server.RTCP = port
	}
	y.server.Set = y.server.RTP != 0 && y.server.RTCP != 0
	if y.waits&(waitRTP|waitRTCP) == 0 && y.isRefused {
		s.giveUp(v)
		s.late(v, 461).send(v)
		return
	}
	if y.waits == 0 {
		s.answerFlows(v)
	}
}

// portOf reads the port of "address:port".
func portOf(address []byte) uint16 {
	n, _ := httptext.Uint(address[bytes.LastIndexByte(address, ':')+1:])
	return uint16(n)
}

// giveUp forgets a SETUP that cannot be answered well. Tracks that were set up before it stay.
func (s *state) giveUp(v *sdk.Verdicts) {
	y := &s.play
	y.dropFlows(v)
	was := play{described: y.described, next: y.next}
	if y.tracks.before == 0 {
		s.play, s.mode = was, modeNone
		return
	}
	was.phase, was.lower, was.tracks.chosen = y.phase, rtsp.TCP, y.tracks.before
	s.play = was
}

// answerSetup answers once nothing is waited for.
func (p *plugin) answerSetup(s *state, v *sdk.Verdicts) {
	y := &s.play
	switch {
	case y.waits != 0:
	case y.isMulticast:
		p.answerGroup(s, v)
	case y.isUDP():
		s.answerFlows(v)
	case y.tracks.setting > 0:
		s.mode, y.phase = modePlay, playReady
		t := rtsp.Transport{Lower: rtsp.TCP, Interleaved: channelsOf(int(y.tracks.setting)), HasSSRC: true, SSRC: y.tracks.clocks[y.tracks.setting-1].ssrc}
		s.late(v, 200).transport(&t).send(v)
	default:
		s.ready(v, &rtsp.Transport{Lower: rtsp.TCP, Interleaved: rtsp.Pair{RTP: mediaChannel, RTCP: controlChannel, Set: true}, HasSSRC: true, SSRC: y.ssrc})
	}
}

// answerGroup tells of the group to which the point is sent anyway.
func (p *plugin) answerGroup(s *state, v *sdk.Verdicts) {
	group := p.groups.Text(string(s.point), "")
	port := portOf([]byte(group))
	if port == 0 {
		s.giveUp(v)
		s.late(v, 461).send(v)
		return
	}
	s.ready(v, &rtsp.Transport{Lower: rtsp.Plain, Multicast: true, Destination: hostOf([]byte(group)), Port: rtsp.Pair{RTP: port, RTCP: port + 1, Set: true}, TTL: p.ttl})
}

func (s *state) answerFlows(v *sdk.Verdicts) {
	y := &s.play
	s.ready(v, &rtsp.Transport{Lower: y.lower, ClientPort: y.client, ServerPort: y.server, HasSSRC: true, SSRC: y.ssrc})
}

// ready answers a SETUP. The last field is for VLC, which makes the URL of PLAY of it and
// looks for names as they are written here (wire digest §5.4).
func (s *state) ready(v *sdk.Verdicts, t *rtsp.Transport) {
	s.mode, s.play.phase = modePlay, playReady
	s.late(v, 200).transport(t).field("com.ses.streamID", "1").send(v)
}

// tick sends a report, and ends a session whose peer gives no sign (RFC 2326 12.37).
func (p *plugin) tick(s *state, e *abi.Timer, v *sdk.Verdicts) {
	y := &s.play
	quiet := e.MonoNano - s.seen
	running := y.phase == playRunning
	switch {
	case !s.isOpen || s.mode == modeRecord || running && y.lower == rtsp.TCP:
	case quiet >= silence:
		v.Metric("sessions_silent", 1)
		s.leave(v, "the player has given no sign for "+strconv.FormatInt(quiet/nanosPerSecond, 10)+" s")
	case running && y.isUDP():
		s.reportTo(&e.Head, v)
		v.SetTimer(tickTimer, reportEvery)
	default:
		v.SetTimer(tickTimer, silence-quiet)
	}
}

// reportTo sends a report to a player over UDP. How much the source has sent is known to
// the rendition's packager alone, and left 0; a player with one stream has no use for it.
func (s *state) reportTo(h *abi.Head, v *sdk.Verdicts) {
	y := &s.play
	if !y.clock.isSet || y.server.RTCP == 0 {
		return
	}
	var room [reportSize]byte
	at := y.clock.timestamp + ticks(h.MonoNano-y.clock.mono)
	p := v.Pieces()
	p.Literal(rtp.AppendSenderReport(room[:0], &rtp.Sent{SSRC: y.ssrc, UnixNano: h.UnixNano, Timestamp: at}, cname))
	v.Send(y.flow+1, p)
}

// refused: nothing of the last batch was done. A request that was pending is answered in
// RTSP's words.
func (s *state) refused(e *abi.Refused, v *sdk.Verdicts) {
	switch s.pending.kind {
	case kindNone:
		s.end(v, abi.CloseNow, "refused: "+string(e.Text))
		return
	case kindOptions:
		s.optionsOf(v)
		return
	}
	if e.Code == abi.EAUTH {
		s.challenge(v)
		return
	}
	no := refusal{status: 503, words: string(e.Text)}
	switch e.Code {
	case abi.ENOENT:
		no.status = 404
	case abi.EPERM:
		no.status = 403
	case abi.ELIMIT:
		no.status = limitStatus(e.Limit)
	case abi.ESTATE, abi.EINVAL, abi.ENOSYS:
		no.status = 455
		if s.pending.kind == kindSetup {
			no.status = 461
		}
	}
	if s.pending.kind == kindSetup {
		s.giveUp(v)
	}
	s.play.waits = 0
	s.refuse(no, v)
}

// stopped tells a player in its own words that nothing follows.
func (s *state) stopped(e *abi.Stop, v *sdk.Verdicts) {
	y := &s.play
	y.bye(v)
	if y.phase == playRunning && y.lower == rtsp.TCP {
		p := v.Pieces()
		p.Literal(y.byeFrame())
		v.Write(stream, p)
	}
	s.end(v, abi.CloseFlush, "stopped: "+string(e.Text))
}
