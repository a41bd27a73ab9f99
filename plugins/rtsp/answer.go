package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/rtsp"
)

// timeoutSeconds is told to players, who then give a sign in half of it (RFC 2326 12.37).
const timeoutSeconds = "60"

// serverName must not begin like Windows Media's where its dialect is not spoken: ffmpeg would
// expect it (wire digest §5.5).
const serverName = "weir"

// idDigits is the length of a session's name: RFC 2326 3.4 asks for at least 8.
const idDigits = 16

// reply is an answer in the making.
type reply struct {
	b    []byte
	more []byte // the body
}

// begin writes what all answers have. CSeq is repeated, whatever it is (RFC 2326 12.17).
func (s *state) begin(status int, hasCSeq bool, cseq uint64) *reply {
	const usual = 512 // bytes of most answers (chosen)
	r := &reply{b: rtsp.AppendStatus(make([]byte, 0, usual), status)}
	if hasCSeq {
		r.b = rtsp.AppendUintField(r.b, "CSeq", cseq)
	}
	r.field("Server", s.server())
	if s.id != 0 {
		r.field("Session", string(s.sessionName(nil))+";timeout="+timeoutSeconds)
	}
	return r
}

// reply begins the answer to a request at once.
func (s *state) reply(q *call, _ *sdk.Verdicts, status int) *reply {
	return s.begin(status, q.HasCSeq, q.CSeq)
}

// late begins the answer to the pending request, which is pending no more.
func (s *state) late(v *sdk.Verdicts, status int) *reply {
	r := s.begin(status, s.pending.hasCSeq, s.pending.cseq)
	v.Consume(stream, s.pending.end)
	s.pending = pending{}
	return r
}

// pend puts a request off to the next step: what the host may refuse must not take the
// request with it.
func (s *state) pend(q *call, k kind, v *sdk.Verdicts) {
	s.pending = pending{kind: k, hasCSeq: q.HasCSeq, cseq: q.CSeq, end: q.end}
	if k >= kindRecord || !s.login(q, v) {
		v.SetTimer(stepTimer, 1)
	}
}

// field adds a header line.
func (r *reply) field(name, value string) *reply {
	r.b = rtsp.AppendField(r.b, name, value)
	return r
}

// transport adds the Transport line.
func (r *reply) transport(t *rtsp.Transport) *reply {
	const usual = 128 // bytes (chosen)
	return r.field("Transport", string(t.Append(make([]byte, 0, usual))))
}

// body adds a body with its type and length.
func (r *reply) body(mediaType string, b []byte) *reply {
	r.field("Content-Type", mediaType)
	r.b = rtsp.AppendUintField(r.b, "Content-Length", uint64(len(b)))
	r.more = b
	return r
}

// finish ends the head, and gives the whole answer.
func (r *reply) finish() []byte { return append(append(r.b, "\r\n"...), r.more...) }

// send writes the answer.
func (r *reply) send(v *sdk.Verdicts) {
	p := v.Pieces()
	p.Literal(r.finish())
	v.Write(stream, p)
}

// sessionName appends the session's name.
func (s *state) sessionName(b []byte) []byte {
	for shift := 4 * (idDigits - 1); shift >= 0; shift -= 4 {
		b = append(b, "0123456789ABCDEF"[s.id>>shift&0xF])
	}
	return b
}

// isSession tells whether a request names this session.
func (s *state) isSession(name []byte) bool {
	return s.id != 0 && string(name) == string(s.sessionName(make([]byte, 0, idDigits)))
}

// refusal is why a player cannot have a point.
type refusal struct {
	status int
	words  string
	passes bool // by itself, and soon: the point has just begun
}

// judge tells whether a player can have the point in that rendition, and why not.
func judge(point *abi.PointSummary, rendition string) (no refusal, ok bool) {
	name := strconv.Quote(sdk.String(point.Name))
	switch {
	case point.State == abi.PointUnknown:
		return refusal{status: 404, words: "no publishing point " + name}, false
	case point.State != abi.PointLive:
		return refusal{status: 503, words: "publishing point " + name + " is " + point.State.String() + ", not live"}, false
	case point.IsFull():
		return refusal{status: 453, words: "publishing point " + name + " has as many viewers as it may"}, false
	}
	if no, ok := judgeSource(point, rendition); !ok {
		return no, false
	}
	if rendition == trackFrames {
		if no, ok := judgeTracks(point); !ok {
			return no, false
		}
	}
	r, has := point.Renditions.Find(rendition)
	switch {
	case !has || r.Generation == 0:
		return refusal{status: 503, words: "publishing point " + name + notBegun}, false
	case r.Limit != abi.LimitNone:
		return refusal{status: limitStatus(r.Limit), words: "publishing point " + name + sdk.LimitWords(r.Limit)}, false
	}
	return refusal{}, true
}

// limitStatus is the answer to what a limit says: too many joins are over in a second, and
// the answer says when to come again (RFC 2326 11.3.4, RFC 2616 10.5.4).
func limitStatus(l abi.Limit) int {
	if l.Kind() == abi.LimitJoins {
		return 503
	}
	return 453
}

// refuse answers the pending request in words that a person can read.
func (s *state) refuse(no refusal, v *sdk.Verdicts) {
	v.Metric("requests_refused", 1)
	r := s.late(v, no.status)
	if no.status == 503 {
		r.field("Retry-After", "2") // seconds: about as long as an encoder takes to come back (chosen)
	}
	r.body("text/plain", sdk.Bytes(no.words+"\n")).send(v)
}
