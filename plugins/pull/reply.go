package main

import (
	"bytes"
	"math"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
)

// maxRedirects is how many answers in a row may send a request elsewhere (chosen: more
// than any server needs, and a loop ends soon).
const maxRedirects = 5

// reply judges the head of an answer. Its body is looked at as it comes.
func (p *plugin) reply(s *state, e *abi.HTTPReply, v *sdk.Verdicts) {
	if e.Conn != s.conn || s.phase != asking {
		return
	}
	switch status := e.Status; {
	case status == 200 || status == 206: // 206: of a server that has taken the stream for a file
		s.phase = sniffing
		s.noteClient(&e.Fields)
	case status == 301 || status == 302 || status == 303 || status == 307 || status == 308: // wire digest §1.4; RFC 9110 15.4
		p.redirected(s, e, v)
	case status == 401:
		p.unauthorized(s, e, v)
	case s.manner == first && isStranger(status):
		s.manner, s.tried = plain, 0
		s.again(p, v, e, nil)
	default:
		s.close(v, s.where()+" answered "+statusText(status))
	}
}

// isStranger tells the answers of servers to which a Windows Media server is no guest,
// but others may be: weir itself has points without ASF.
func isStranger(status uint16) bool {
	switch status {
	case 400, 403, 404, 405, 406, 415, 501:
		return true
	}
	return false
}

// statusText says what a status means to the person who wrote the URL.
func statusText(status uint16) string {
	text := strconv.Itoa(int(status))
	switch {
	case status == 403:
		return text + ": it does not serve this computer"
	case status == 404:
		return text + ": it has no such stream"
	case status == 503:
		return text + ": it has the stream, but not now"
	case status >= 500:
		return text + ": it has failed"
	}
	return text
}

// noteClient keeps the client-id, by which a server knows its client again (MS-WMSP
// 2.2.1.4.2).
func (s *state) noteClient(fields *abi.Fields) {
	for f := range fields.All() {
		if !httptext.EqualFold(f.Name, "Pragma") {
			continue
		}
		for rest, more := f.Value, true; more; {
			var name, value []byte
			name, value, rest, more = httptext.NextPragma(rest)
			if n, ok := httptext.Uint(value); ok && n <= math.MaxUint32 && httptext.EqualFold(name, "client-id") {
				s.client = uint32(n)
			}
		}
	}
}

func (p *plugin) redirected(s *state, e *abi.HTTPReply, v *sdk.Verdicts) {
	var location []byte
	for f := range e.Fields.All() {
		if httptext.EqualFold(f.Name, "Location") {
			location = f.Value
			break
		}
	}
	t := s.target()
	to, ok := t.follow(location)
	url := to.appendWhole(nil)
	switch {
	case !ok || len(url) > maxURL || bytes.ContainsAny(url, " \t"):
		s.close(v, s.where()+" redirects to where no stream can be pulled from")
		return
	case s.redirects >= maxRedirects:
		s.close(v, s.where()+" redirects too often")
		return
	}
	s.redirects++
	s.tried, s.client = 0, 0
	s.url = url
	s.again(p, v, e, nil)
}
