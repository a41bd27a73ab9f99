package session

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

// maxQuestion bounds the header fields of a request that a plugin sends, in bytes
// (chosen: what servers take at most by default is 8 KiB or more).
const maxQuestion = 16 << 10

// ownFields are those of a request that say how it travels: the host's (spec.md 6.17).
var ownFields = []string{"Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Trailer", "Te", "Expect"}

// question makes the request that DIAL asks for.
func (room *Room) question(u *url.URL, d *abi.Dial) (*netio.Question, error) {
	q := &netio.Question{Method: string(d.Method), URL: u}
	switch {
	case q.Method == "":
		q.Method = http.MethodGet
	case !isToken(d.Method) || q.Method == http.MethodConnect:
		return nil, denyf(abi.EINVAL, "HTTP method %.32q", d.Method)
	}
	size := 0
	for f := range d.Fields.All() {
		size += len(f.Name) + len(f.Value)
		switch {
		case bytes.ContainsAny(f.Value, "\r\n\x00") || !isToken(f.Name):
			return nil, denyf(abi.EINVAL, "HTTP header field %.64q", f.Name) // its value may be a secret
		case slices.Contains(ownFields, http.CanonicalHeaderKey(string(f.Name))):
			return nil, denyf(abi.EINVAL, "the field %s of a request is the host's own", f.Name)
		case size > maxQuestion:
			return nil, denyf(abi.ETOOBIG, "header fields of more than %d bytes", maxQuestion)
		}
	}
	q.Header = headerOf(&d.Fields)
	if q.Header["User-Agent"] == nil {
		q.Header.Set("User-Agent", "weir/"+room.version)
	}
	return q, nil
}

// replied makes the event of an answer's head.
func replied(number uint32, a *netio.Reply) *abi.HTTPReply {
	e := &abi.HTTPReply{Head: abi.Head{Conn: number}, Status: uint16(a.Status), Body: abi.BodyKind(a.Kind), Length: a.Length}
	names := make([]string, 0, len(a.Header))
	for name := range a.Header {
		names = append(names, name)
	}
	slices.Sort(names) // net/http has lost the order of the wire
	for _, name := range names {
		for _, v := range a.Header[name] {
			e.Fields.Add([]byte(name), []byte(v))
		}
	}
	return e
}
