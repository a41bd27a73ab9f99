package main

import (
	"math"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
)

// class is what a player asks for (MS-WMSP 2.2.2).
type class uint8

const (
	describe class = iota
	play
	playNextEntry
	selectStream
	keepAlive
	stopStream
	pipeline
	logStats
	sendEvent
	otherPost
)

// asked is what the request's header fields say.
type asked struct {
	playStream, playNext, pipeline, switches, stop, keepAlive bool

	client      uint32 // client-id, 0 for none
	contentType []byte
}

// read collects the Pragma tokens of a request (MS-WMSP 2.2.1.4).
func read(fields *abi.Fields) asked {
	var a asked
	for f := range fields.All() {
		switch {
		case httptext.EqualFold(f.Name, "Pragma"):
			for rest, more := f.Value, true; more; {
				var name, value []byte
				name, value, rest, more = httptext.NextPragma(rest)
				a.token(name, value)
			}
		case httptext.EqualFold(f.Name, "Content-Type"):
			a.contentType = httptext.MediaType(f.Value)
		}
	}
	return a
}

func (a *asked) token(name, value []byte) {
	on := sdk.String(value) != "0"
	switch {
	case httptext.EqualFold(name, "xPlayStrm"):
		a.playStream = on
	case httptext.EqualFold(name, "xPlayNextEntry"):
		a.playNext = on
	case httptext.EqualFold(name, "pipeline-request"):
		a.pipeline = true
	case httptext.EqualFold(name, "stream-switch-entry"):
		a.switches = true
	case httptext.EqualFold(name, "xStopStrm"):
		a.stop = on
	case httptext.EqualFold(name, "xKeepAliveInPause"):
		a.keepAlive = on
	case httptext.EqualFold(name, "client-id"):
		if n, ok := httptext.Uint(value); ok && n <= math.MaxUint32 {
			a.client = uint32(n)
		}
	}
}

// class decides by the rules of MS-WMSP 2.2.2.
func (a *asked) class(method []byte) class {
	post := sdk.String(method) == "POST"
	switch {
	case post && a.is("application/x-wms-logstats"):
		return logStats
	case post && a.is("application/x-wms-sendevent"):
		return sendEvent
	case a.pipeline:
		return pipeline
	case a.playNext:
		return playNextEntry
	case a.stop:
		return stopStream
	case a.keepAlive:
		return keepAlive
	case a.switches && !a.playStream:
		return selectStream
	case post:
		return otherPost
	case a.playStream:
		return play
	}
	return describe
}

func (a *asked) is(mediaType string) bool {
	return httptext.EqualFold(a.contentType, mediaType)
}

// request answers one request. Many players open a connection for each (wire digest
// §1.3), so that nothing but the client-id holds them together.
func (p *plugin) request(s *session, e *abi.HTTPRequest, v *sdk.Verdicts) {
	a := read(&e.Fields)
	s.client = a.client
	if s.client == 0 {
		s.client = newClient(e.Entropy)
	}
	switch c := a.class(e.Method); c {
	case describe, play:
		if no, ok := judge(&e.Point, e.Path); !ok {
			refuse(v, no)
			return
		}
		if c == describe {
			answerDescribe(s, e, v)
			return
		}
		p.answerPlay(s, e, v)
	case pipeline:
		f := empty(v, s.client)
		f.Add("Pragma", "pipeline-result=0") // MS-WMSP 3.2.5.5: not possible here
		v.Respond(200, 0, f, nil)
	case playNextEntry:
		refuse(v, refusal{status: 400, words: "a live publishing point has no next entry"})
	case otherPost:
		refuse(v, refusal{status: 501, words: "this kind of request is not supported"})
	default:
		acknowledge(s, e, v)
	}
}

// acknowledge answers requests that ask for nothing, once their body has come.
func acknowledge(s *session, e *abi.HTTPRequest, v *sdk.Verdicts) {
	if e.Body == abi.BodyNone || e.Body == abi.BodyLength && e.Length == 0 {
		v.Respond(200, 0, empty(v, s.client), nil)
		return
	}
	s.doing = takingBody
	v.Accept(player)
}

// maxBody bounds what is read of a POST in bytes; player logs have few kilobytes
// (chosen).
const maxBody = 256 << 10

func body(s *session, e *abi.Data, v *sdk.Verdicts) {
	if s.doing != takingBody {
		return
	}
	end := e.Offset + uint64(len(e.Bytes))
	if end > maxBody {
		s.doing = nothing
		v.RespondText(413, abi.ResponseReset, "too long a log")
		return
	}
	v.Consume(e.Conn, end)
}

// newClient makes a client-id, which must not be 0.
func newClient(entropy [16]byte) uint32 {
	n := uint32(entropy[0]) | uint32(entropy[1])<<8 | uint32(entropy[2])<<16 | uint32(entropy[3])<<24
	return max(n, 1)
}
