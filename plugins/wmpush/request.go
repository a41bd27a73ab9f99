package main

import (
	"bytes"
	"math"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
)

// asked is what a request's header fields say.
type asked struct {
	start bool   // PushStart, else PushSetup
	id    uint32 // push-id (MS-WMHTTP 2.2.1.3.1); 0: none yet
}

func read(fields *abi.Fields) (a asked) {
	for f := range fields.All() {
		switch {
		case httptext.EqualFold(f.Name, "Content-Type"):
			a.start = httptext.EqualFold(httptext.MediaType(f.Value), "application/x-wms-pushstart")
		case httptext.EqualFold(f.Name, "Cookie"):
			if id, ok := pushID(f.Value); ok {
				a.id = id
			}
		}
	}
	return a
}

// pushID finds the push-id in a Cookie line (RFC 6265 4.2.1).
func pushID(line []byte) (uint32, bool) {
	for len(line) > 0 {
		pair, rest, _ := bytes.Cut(line, []byte{';'})
		line = rest
		name, value, ok := bytes.Cut(httptext.Trim(pair), []byte{'='})
		if !ok || !httptext.EqualFold(httptext.Trim(name), "push-id") {
			continue
		}
		n, ok := httptext.Uint(httptext.Trim(value))
		return uint32(n), ok && n <= math.MaxUint32
	}
	return 0, false
}

// request takes a PushSetup, or a PushStart of the session that its push-id names.
func (p *plugin) request(s *state, e *abi.HTTPRequest, v *sdk.Verdicts) {
	a := read(&e.Fields)
	switch {
	case s.phase == ready || s.phase == streaming:
		p.next(s, a, e, v)
	case !a.start:
		p.setUp(s, e, v)
	case a.id == 0:
		s.refuse(v, refusal{400, errNoSession, "this PushStart names no push session; send a PushSetup first, and its push-id as a cookie"})
	default:
		v.JoinKey(key(a.id)) // the session with this push-id is told of the request in the place of this one
	}
}

// key is a push-id as the key of its session.
func key(id uint32) []byte { return strconv.AppendUint(nil, uint64(id), 10) }

// maxDirectives bounds the body of a PushSetup, in bytes: chosen, above a long URL.
const maxDirectives = 4096

// setUp judges a PushSetup before its body is read.
func (p *plugin) setUp(s *state, e *abi.HTTPRequest, v *sdk.Verdicts) {
	s.point, s.peer = append(s.point[:0], e.Point.Name...), append(s.peer[:0], host(e.Remote)...)
	if no, ok := judge(&e.Point); !ok {
		s.refuse(v, no)
		return
	}
	switch {
	case e.Body == abi.BodyNone || e.Body == abi.BodyLength && e.Length == 0:
		p.answerSetup(s, e.Entropy, v)
	case e.Body != abi.BodyLength:
		s.refuse(v, refusal{411, "", "a PushSetup has a Content-Length"}) // MS-WMHTTP 2.2.2.1
	case e.Length > maxDirectives:
		s.refuse(v, refusal{413, "", "the PushSetup has " + strconv.FormatUint(e.Length, 10) + " bytes of directives; 4096 are taken"})
	default:
		s.phase, s.length = setup, uint32(e.Length)
		v.Accept(e.Conn)
	}
}

// next takes a request that has joined the session.
func (p *plugin) next(s *state, a asked, e *abi.HTTPRequest, v *sdk.Verdicts) {
	switch {
	case s.phase == streaming || !a.start: // the host gives one request at a time, and only a PushStart joins
		s.turnAway(v, refusal{409, errDuplicate, "this push session is busy"})
	case !bytes.Equal(e.Point.Name, s.point):
		s.turnAway(v, refusal{403, errInvalidPush, "this push session is for " + sdk.Quote(s.point)})
	case !bytes.Equal(host(e.Remote), s.peer): // a push-id has 32 bits, which can be guessed
		s.turnAway(v, refusal{403, errNoAccess, "this push session was set up from another address"})
	case e.Body == abi.BodyNone:
		v.Respond(204, 0, p.head(v), nil)
	default:
		s.phase, s.endless = streaming, e.Body == abi.BodyToClose
		v.Accept(e.Conn)
		v.SetTimer(silence, p.timeoutMs*nsPerMs)
	}
}

// host gives what of "address:port" is the address.
func host(b []byte) []byte {
	if i := bytes.LastIndexByte(b, ':'); i >= 0 {
		return b[:i]
	}
	return b
}

// answerSetup gives the session its push-id (MS-WMHTTP 3.2.5.1).
func (p *plugin) answerSetup(s *state, entropy [16]byte, v *sdk.Verdicts) {
	s.phase = ready
	id := newID(entropy)
	v.BindKey(key(id), p.timeoutMs*nsPerMs)
	f := p.head(v)
	f.Add("Set-Cookie", "push-id="+string(key(id)))
	v.Respond(204, 0, f, nil)
}

// newID makes a push-id, which must not be 0.
func newID(entropy [16]byte) uint32 {
	n := uint32(entropy[0]) | uint32(entropy[1])<<8 | uint32(entropy[2])<<16 | uint32(entropy[3])<<24
	return max(n, 1)
}

// directives reads the body of a PushSetup (MS-WMHTTP 2.2.2.1): lines of "Name: value".
// Those that are unknown are passed over.
func (s *state) directives(b []byte) (no refusal, ok bool) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		name, value, found := bytes.Cut(line, []byte{':'})
		if !found {
			if len(bytes.TrimSpace(line)) > 0 {
				return refusal{400, "", "a directive of the PushSetup has no colon"}, false
			}
			continue
		}
		name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
		switch {
		case httptext.EqualFold(name, "AutoDestroy"):
			s.autoDestroy = string(value) == "1"
		case httptext.EqualFold(name, "Template-URL"):
			path, _ := httptext.SplitTarget(value)
			template, err := httptext.AppendDecoded(nil, bytes.TrimPrefix(path, []byte{'/'}))
			if err != nil || len(template) == 0 {
				return refusal{404, errInvalidTemplate, "the Template-URL " + sdk.Quote(value) + " names no publishing point"}, false
			}
			s.template = template
		}
	}
	return refusal{}, true
}
