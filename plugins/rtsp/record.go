package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
	"github.com/weir-media/weir/sdk/rtsp"
	"github.com/weir-media/weir/sdk/sdp"
)

// reportTimer makes receiver reports due, and a look at whether the encoder still sends.
const reportTimer = 8

// announce takes the description of what an encoder will bring (RFC 2326 10.3).
func (p *plugin) announce(s *state, q *call, v *sdk.Verdicts) {
	if s.mode != modeNone || s.rec.phase != recFresh {
		explain(s.reply(q, v, 455), "this connection has a session already; announce over a new one").send(v)
		return
	}
	kind, ok := q.Get("Content-Type")
	if ok && !httptext.EqualFold(httptext.MediaType(kind), "application/sdp") {
		explain(s.reply(q, v, 415), "a session description (application/sdp) is taken, nothing else").send(v)
		return
	}
	name, ok := s.pointOf(q.URI)
	if !ok {
		explain(s.reply(q, v, 404), "the URL names no publishing point").send(v)
		return
	}
	var d sdp.Description
	if err := sdp.Parse(q.body, &d); err != nil {
		explain(s.reply(q, v, 400), err.Error()).send(v)
		return
	}
	s.rec = recording{}
	if fault := s.rec.describe(&d); fault != "" {
		s.rec = recording{}
		explain(s.reply(q, v, 415), fault).send(v)
		return
	}
	s.point = append(s.point[:0], name...)
	s.base = appendBase(s.base[:0], q.URI)
	s.mode, s.rec.phase = modeRecord, recAnnounced
	s.pend(q, kindAnnounce, v)
	authorization, _ := q.Get("Authorization")
	v.Login(abi.Login{Point: s.point, For: abi.LoginPublish, Method: q.Method, URI: q.URI, Authorization: authorization[:min(len(authorization), maxAuthorization)]})
}

// maxAuthorization bounds what is handed to the host, bytes. Chosen: Digest takes some
// hundred; what is longer is cut, and so fits no password.
const maxAuthorization = 4096

// recordLogged answers ANNOUNCE: the encoder may push, has to log in (RFC 2326 14), or may
// not.
func (s *state) recordLogged(e *abi.Logged, v *sdk.Verdicts) {
	if s.pending.kind != kindAnnounce {
		return
	}
	if e.Code == abi.OK {
		s.ensureID(&e.Entropy)
		s.late(v, 200).send(v)
		return
	}
	s.mode, s.rec = modeNone, recording{}
	status := 403
	switch e.Code {
	case abi.EAUTH:
		status = 401
	case abi.EAGAIN:
		status = 503
	}
	r := s.late(v, status)
	for f := range e.Fields.All() {
		r.field(string(f.Name), string(f.Value))
	}
	explain(r, "point "+sdk.Quote(s.point)+" may not be fed by this encoder"+sdk.Because(e.Text)).send(v)
}

// setupRecord takes the way by which a track will come (RFC 2326 10.4).
func (p *plugin) setupRecord(s *state, q *call, t *rtsp.Transport, v *sdk.Verdicts) {
	i := s.rec.find(q.URI, s.base)
	switch {
	case s.rec.phase != recAnnounced:
		explain(s.reply(q, v, 455), "ANNOUNCE what will come first, and SETUP before RECORD").send(v)
	case i < 0:
		explain(s.reply(q, v, 404), "no track that was announced has this address (a=control)").send(v)
	case t.Multicast || t.Lower == rtsp.Other:
		explain(s.reply(q, v, 461), "encoders are taken by TCP (interleaved) and by UDP (client_port)").send(v)
	case t.Lower == rtsp.TCP:
		s.interleave(q, i, t, v)
	case s.secure:
		explain(s.reply(q, v, 461), "media does not come in the clear where requests come by TLS; send it by TCP (interleaved)").send(v)
	case !t.ClientPort.Set:
		explain(s.reply(q, v, 461), "UDP needs client_port: the ports that the encoder sends from").send(v)
	default:
		s.rec.setup = flowSetup{track: uint8(i), lower: t.Lower, client: t.ClientPort}
		s.pend(q, kindSetupRecord, v)
	}
}

// interleave gives a track its channels of the connection: those that the encoder wants.
func (s *state) interleave(q *call, i int, t *rtsp.Transport, v *sdk.Verdicts) {
	pair := t.Interleaved
	if !pair.Set {
		pair = rtsp.Pair{RTP: uint16(2 * i), RTCP: uint16(2*i + 1), Set: true}
	}
	for k := range s.rec.tracks {
		o := &s.rec.tracks[k]
		if k != i && o.by == byChannel && (o.rtp == uint8(pair.RTP) || o.rtp == uint8(pair.RTCP) || o.rtcp == uint8(pair.RTP)) {
			explain(s.reply(q, v, 461), "another track has these channels").send(v)
			return
		}
	}
	track := &s.rec.tracks[i]
	track.by, track.rtp, track.rtcp = byChannel, uint8(pair.RTP), uint8(pair.RTCP)
	s.reply(q, v, 200).transport(&rtsp.Transport{Lower: t.Lower, Interleaved: pair, Record: true}).send(v)
}

// record lets the media begin (RFC 2326 10.11).
func (p *plugin) record(s *state, q *call, v *sdk.Verdicts) {
	if s.rec.phase != recAnnounced || !s.rec.isSetUp() {
		explain(s.reply(q, v, 455), "ANNOUNCE and SETUP come before RECORD, once").send(v)
		return
	}
	s.pend(q, kindRecord, v)
}

// recordStep does what a noted request needs the host's consent for.
func (p *plugin) recordStep(s *state, v *sdk.Verdicts, h *abi.Head) {
	switch s.pending.kind {
	case kindRecord:
		s.rec.program()
		s.rec.phase, s.rec.heard = recLive, h.MonoNano
		v.Publish(s.point, "bytes:mpegts", 0)
		s.late(v, 200).send(v)
		v.SetTimer(reportTimer, reportEvery)
	case kindSetupRecord:
		conn := uint32(flowOf(int(s.rec.setup.track)))
		v.Dial(conn, p.peerURL(s.rec.setup.client.RTP, ""), 0)
		v.Dial(conn+1, p.peerURL(s.rec.setup.client.RTCP, "odd"), 0)
	}
}

// recordTeardown ends the source: the connection has no other use.
func (p *plugin) recordTeardown(s *state, q *call, v *sdk.Verdicts) {
	s.reply(q, v, 200).send(v)
	s.finish(v, abi.CloseFlush, "the encoder has ended its session")
}

// recordEvent takes what is neither a request nor a frame.
func (p *plugin) recordEvent(s *state, e abi.Record, v *sdk.Verdicts) {
	switch e := e.(type) {
	case *abi.Logged:
		s.recordLogged(e, v)
	case *abi.Dialed:
		s.recordDialed(e, v)
	case *abi.Datagrams:
		p.datagrams(s, e, v)
	case *abi.Timer:
		s.lookUp(e.MonoNano, v)
	case *abi.End:
		s.recordEnded(e, v)
	case *abi.Refused:
		s.recordRefused(e, v)
	case *abi.Stop:
		if s.pending.kind >= kindRecord {
			explain(s.late(v, 503), "stopped"+sdk.Because(e.Text)).send(v)
		}
	}
}

// recordEnded: the connection is gone.
func (s *state) recordEnded(e *abi.End, v *sdk.Verdicts) {
	if e.Conn == stream {
		s.finish(v, abi.CloseNow, "the encoder has closed its connection")
	}
}

// recordRefused answers the request for which the host did not do what it needs.
func (s *state) recordRefused(e *abi.Refused, v *sdk.Verdicts) {
	switch {
	case s.pending.kind == kindSetupRecord:
		explain(s.late(v, 461), "UDP cannot be taken"+sdk.Because(e.Text)+"; send by TCP (ffmpeg: -rtsp_transport tcp)").send(v)
	case s.pending.kind == kindRecord:
		status, text := unpublished(e.Code)
		explain(s.late(v, status), "point "+sdk.Quote(s.point)+" "+text+sdk.Because(e.Text)).send(v)
	default:
		s.finish(v, abi.CloseNow, "the stream could not be taken"+sdk.Because(e.Text))
	}
}

// unpublished says why PUBLISH was refused. RTSP has no 409: RFC 2326 11.3.6 is what comes
// nearest to a place that is taken.
func unpublished(code abi.Code) (status int, text string) {
	switch code {
	case abi.EBUSY:
		return 455, "has a source already; stop that encoder first, or push to another point"
	case abi.ENOENT:
		return 404, "is not there; add it to points: in plugins.yaml with source: push, or push to one that is there"
	case abi.EPERM, abi.EAUTH:
		return 403, "may not be pushed to; in plugins.yaml it needs source: push, and grant: publish: of the plugin must name it"
	case abi.ENOSYS:
		return 415, "cannot be fed: no enabled plugin reads MPEG transport streams; enable mpegts in plugins.yaml"
	case abi.ESTATE, abi.ELIMIT, abi.EAGAIN:
		return 503, "takes no source now; try again later"
	}
	return 500, "could not be fed"
}

// recordDialed: a flow of the SETUP that waits is there, or cannot be had.
func (s *state) recordDialed(e *abi.Dialed, v *sdk.Verdicts) {
	u, conn := &s.rec.setup, uint32(flowOf(int(s.rec.setup.track)))
	switch {
	case s.pending.kind != kindSetupRecord:
		if e.Code == abi.OK {
			v.Close(e.Conn, abi.CloseNow, "the other flow of its track cannot be had")
		}
		return
	case e.Code != abi.OK:
		for i := range uint32(2) {
			if u.opened&(1<<i) != 0 {
				v.Close(conn+i, abi.CloseNow, "the other flow of its track cannot be had")
			}
		}
		explain(s.late(v, 461), "UDP cannot be taken"+sdk.Because(e.Text)+"; send by TCP (ffmpeg: -rtsp_transport tcp)").send(v)
		return
	case e.Conn == conn:
		u.opened |= 1
		u.server.RTP = portOf(e.Local)
	default:
		u.opened |= 2
		u.server.RTCP = portOf(e.Local)
	}
	if u.opened != 3 {
		return
	}
	u.server.Set = true
	t := &s.rec.tracks[u.track]
	t.by, t.rtp, t.rtcp = byFlow, uint8(conn), uint8(conn)+1
	s.late(v, 200).transport(&rtsp.Transport{Lower: u.lower, ClientPort: u.client, ServerPort: u.server, Record: true}).send(v)
}

// finish ends the session, of which nothing is kept.
func (s *state) finish(v *sdk.Verdicts, mode abi.CloseMode, reason string) {
	v.Close(0, mode, reason)
	*s = state{}
}

// explain adds a line for people.
func explain(r *reply, text string) *reply {
	return r.body("text/plain; charset=utf-8", sdk.Bytes(text+"\n"))
}
