package main

import (
	"bytes"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
	"github.com/weir-media/weir/sdk/sdp"
)

// A point of ASF is played in the dialect of Windows Media (MS-RTSP): another plugin, rtpasf,
// puts its packets into interleaved frames, those of all streams on one channel, and its
// rendition's header describes them. ffmpeg speaks the dialect with a server that names itself like
// one of Windows Media in its answer to OPTIONS, and only then; where there is a transport
// stream such a name would cost it UDP. So OPTIONS is answered once it is known what the point carries.

const (
	asfSource = "asf"     // the rendition that rtpasf reads
	asfFrames = "rtp-asf" // the one that it makes
	// windowsName begins as players compare it (wire digest §5.5).
	windowsName = "WMServer/9.6.7600.16385"
	// asfStream begins the control URL of a stream, and resend ends that of what is sent again,
	// as ffmpeg looks for it.
	asfStream = "asfID="
	resend    = "/rtx"
	// redirected is the query of a URL to which a player is sent that was told by OPTIONS that the
	// dialect is not spoken.
	redirected = "asf"
)

// server is how the answers name the server.
func (s *state) server() string {
	if s.play.isASF {
		return windowsName
	}
	return serverName
}

// options answers OPTIONS (RFC 2326 10.1), or begins to.
func (p *plugin) options(s *state, q *call, v *sdk.Verdicts) {
	name, isWhole := s.pointOf(q.URI)
	if s.mode != modeNone || !isWhole || sdk.String(q.URI) == "*" {
		s.reply(q, v, 200).field("Public", public).send(v)
		return
	}
	s.point = append(s.point[:0], name...)
	s.pend(q, kindOptions, v)
}

// optionsOf answers OPTIONS when the point is known, or is not to be known.
func (s *state) optionsOf(v *sdk.Verdicts) {
	s.play.described.isPlain = !s.play.isASF
	s.late(v, 200).field("Public", public).send(v)
}

// redirect has a player begin anew at a point of which it became known behind OPTIONS, by its
// source or by a login, that it carries ASF. ffmpeg brings its login with OPTIONS then.
func (s *state) redirect(v *sdk.Verdicts) {
	url := append(bytes.TrimRight(bytes.Clone(s.base), "/"), "?"+redirected...)
	s.late(v, 302).field("Location", string(url)).send(v)
}

// isRedirected tells a URL that redirect has given: nobody is sent away twice.
func isRedirected(uri []byte) bool {
	_, query := httptext.SplitTarget(uri)
	return sdk.String(query) == redirected
}

// isOfASF tells whether a point is played in Windows Media's dialect, and in no other way.
func isOfASF(point *abi.PointSummary) bool {
	_, hasTS := point.Renditions.Find(source)
	_, hasASF := point.Renditions.Find(asfFrames)
	return hasASF && !hasTS && point.State == abi.PointLive
}

// judgeSource tells why a player cannot have a point whatever its state is, beside what judge says.
func judgeSource(point *abi.PointSummary, rendition string) (no refusal, ok bool) {
	name := strconv.Quote(sdk.String(point.Name))
	if rendition != asfFrames {
		if _, has := point.Renditions.Find(source); has {
			return refusal{}, true
		}
		words := "publishing point " + name + " carries no MPEG transport stream"
		if _, has := point.Renditions.Find(asfSource); has && !isOfASF(point) {
			words += ", and nothing makes RTP of its ASF here"
		}
		return refusal{status: 404, words: words}, false
	}
	r, has := point.Renditions.Find(asfFrames)
	if !has {
		return refusal{status: 404, words: "publishing point " + name + " has no ASF of which RTP is made here"}, false
	}
	if what, is := bytes.CutPrefix(r.Header, []byte(sdp.Carries)); is {
		return refusal{status: 404, words: "publishing point " + name + " cannot be played by RTSP: it carries " + string(bytes.TrimSpace(what))}, false
	}
	return refusal{}, true
}

// cutASF takes the control URL of a stream of ASF off a path.
func cutASF(path []byte) (rest []byte, is bool) {
	whole := bytes.TrimSuffix(path, []byte(resend))
	at := bytes.LastIndexByte(whole, '/')
	if at < 0 {
		return path, false
	}
	digits, is := bytes.CutPrefix(whole[at+1:], []byte(asfStream))
	if _, isNumber := httptext.Uint(digits); !is || !isNumber {
		return path, false
	}
	return bytes.TrimRight(path[:at], "/"), true
}

// isASFStream tells whether a URL is the control URL of a stream of ASF.
func isASFStream(uri []byte) bool {
	path, _ := httptext.SplitTarget(uri)
	_, is := cutASF(bytes.TrimRight(path, "/"))
	return is
}

// cutControl takes off a path what stands behind the presentation's URL.
func cutControl(path []byte) []byte {
	path, _ = cutTrack(path)
	path, _ = cutASF(path)
	return path
}
