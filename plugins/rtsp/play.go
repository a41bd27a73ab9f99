package main

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
	"github.com/weir-media/weir/sdk/rtsp"
)

// maxURL bounds what is kept of a URL, and maxName a point's name, in bytes (chosen).
const (
	maxURL  = 2048
	maxName = 255
)

// describe begins to answer DESCRIBE (RFC 2326 10.2).
func (p *plugin) describe(s *state, q *call, v *sdk.Verdicts) {
	if accept, has := q.Get("Accept"); has && !acceptsSDP(accept) {
		s.reply(q, v, 406).send(v)
		return
	}
	name, isWhole := s.pointOf(q.URI)
	switch {
	case !isWhole:
		s.reply(q, v, 404).send(v)
	case s.mode != modeNone && !bytes.Equal(name, s.point):
		s.reply(q, v, 455).send(v)
	default:
		if !bytes.Equal(name, s.point) || isRedirected(q.URI) {
			s.play.described.isPlain = false
		}
		s.point = append(s.point[:0], name...)
		s.base = appendBase(s.base[:0], q.URI)
		s.play.described.is = true
		if p.wantsTracks(q.URI) {
			s.pend(q, kindDescribeTracks, v)
			return
		}
		s.pend(q, kindDescribe, v)
	}
}

// acceptsSDP reads an Accept field (RFC 2326 12.1).
func acceptsSDP(list []byte) bool {
	for {
		token, rest, ok := httptext.NextToken(list)
		if !ok {
			return false
		}
		switch t := httptext.MediaType(token); {
		case httptext.EqualFold(t, "application/sdp"), httptext.EqualFold(t, "application/*"), httptext.EqualFold(t, "*/*"):
			return true
		}
		list = rest
	}
}

// pointOf gives the point that a URL names, behind which the track may stand. Not ok: the
// URL cannot be one of a point's.
func (s *state) pointOf(uri []byte) (name []byte, ok bool) {
	if len(uri) > maxURL {
		return nil, false
	}
	path, _ := httptext.SplitTarget(uri)
	name, err := httptext.AppendDecoded(make([]byte, 0, len(path)), path)
	if err != nil {
		return nil, false
	}
	name = cutControl(bytes.Trim(name, "/"))
	return name, len(name) > 0 && len(name) <= maxName
}

// appendBase appends a URL as others are relative to: without query and track, with a
// slash at its end (wire digest §5.1).
func appendBase(b, uri []byte) []byte {
	if i := bytes.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	return append(append(b, cutControl(bytes.TrimRight(uri, "/"))...), '/')
}

// setup begins to answer SETUP (RFC 2326 10.4). One that comes without DESCRIBE means the
// point's one stream (wire digest §5.4).
func (p *plugin) setup(s *state, q *call, v *sdk.Verdicts) {
	list, _ := q.Get("Transport")
	t, ok := p.choose(s, q.URI, list)
	if t.Record || s.mode == modeRecord {
		p.setupRecord(s, q, &t, v)
		return
	}
	name, isPoint := s.pointOf(q.URI)
	switch {
	case s.play.phase == playRunning:
		s.reply(q, v, 455).send(v)
	case !isPoint:
		s.reply(q, v, 404).send(v)
	case s.mode == modePlay && !bytes.Equal(name, s.point):
		s.reply(q, v, 459).send(v)
	case !ok:
		s.reply(q, v, 461).send(v)
	default:
		s.point = append(s.point[:0], name...)
		if !s.play.described.is {
			s.base = appendBase(s.base[:0], q.URI)
		}
		s.ensureID(&q.head.Entropy)
		s.play.dropFlows(v)
		before := s.play.tracks.chosen
		s.play.take(&t)
		s.play.tracks.before = before
		s.play.isASF = isASFStream(q.URI)
		if number := trackOf(q.URI); number > 0 {
			s.play.tracks.setting = uint8(number)
			s.play.tracks.chosen = before | 1<<(number-1)
		}
		s.pend(q, kindSetup, v)
	}
}

// choose gives the first transport of a list that can be had, or else the first.
func (p *plugin) choose(s *state, uri, list []byte) (t rtsp.Transport, ok bool) {
	first := true
	for {
		x, rest, more := rtsp.NextTransport(list)
		if !more {
			return t, false
		}
		if first {
			t, first = x, false
		}
		if p.can(s, uri, &x) {
			return x, true
		}
		list = rest
	}
}

// can tells whether a transport can be had. Media does not leave in the clear what has
// come by TLS.
func (p *plugin) can(s *state, uri []byte, t *rtsp.Transport) bool {
	switch {
	case t.Lower == rtsp.TCP:
		return !t.Multicast
	case t.Lower == rtsp.Other || s.secure || s.mode != modeRecord && !t.Record && (trackOf(uri) > 0 || isASFStream(uri)): // tracks are several, and one flow is a viewer (spec.md §8.5)
		return false
	case t.Multicast:
		name, ok := s.pointOf(uri)
		return ok && p.groups.Text(sdk.String(name), "") != ""
	}
	return t.ClientPort.Set || t.Record
}

// startPlay begins to answer PLAY (RFC 2326 10.5). What range is asked for does not
// matter: a live stream is played from now on.
func (s *state) startPlay(q *call, v *sdk.Verdicts) {
	switch {
	case len(q.Session()) == 0 && s.mode == modePlay:
		s.reply(q, v, 454).send(v)
	case s.mode != modePlay:
		s.reply(q, v, 455).send(v)
	case s.play.phase == playRunning:
		s.reply(q, v, 200).field("Range", fromNow).send(v)
	default:
		s.pend(q, kindPlay, v)
	}
}

// fromNow is the range of what is live (RFC 2326 3.6).
const fromNow = "npt=now-"

// pause holds the viewer (RFC 2326 10.6).
func (s *state) pause(q *call, v *sdk.Verdicts) {
	if s.mode != modePlay || s.play.phase != playRunning {
		s.reply(q, v, 455).send(v)
		return
	}
	s.reply(q, v, 200).send(v)
	s.play.phase, s.play.waits = playPaused, 0
	if !s.play.isMulticast {
		v.Detach(s.play.viewer())
	}
	v.SetTimer(tickTimer, silence)
}

// teardown ends the session, and the connection with it (RFC 2326 10.7).
func (s *state) teardown(q *call, v *sdk.Verdicts) {
	if s.mode != modePlay {
		s.reply(q, v, 454).send(v)
		return
	}
	s.reply(q, v, 200).send(v)
	s.play.bye(v)
	s.end(v, abi.CloseFlush, "the player has torn down")
}

// leave ends a session without a word in the connection.
func (s *state) leave(v *sdk.Verdicts, why string) {
	s.play.bye(v)
	s.end(v, abi.CloseNow, why)
}
