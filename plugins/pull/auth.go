package main

import (
	"encoding/base64"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/httptext"
)

// challenge is what a server wants to be told (RFC 7616 3.3). Slices are views of the
// answer's fields.
type challenge struct {
	realm, nonce, opaque []byte
	session              bool // MD5-sess
	auth                 bool // qop has auth
	qop                  bool // there is a qop
}

// unauthorized sends the request once more with the URL's credentials: by Digest if the
// server takes it, so that the password does not travel.
func (p *plugin) unauthorized(s *state, e *abi.HTTPReply, v *sdk.Verdicts) {
	t := s.target()
	switch {
	case !t.hasUser:
		s.close(v, s.where()+" asks for a user and a password; write them into the point's source: http://USER:PASSWORD@HOST/…")
		return
	case s.tried > 0:
		s.close(v, s.where()+" does not take the user and the password of the point's source")
		return
	}
	authorization := authorize(&e.Fields, &t, e.Entropy)
	if authorization == nil {
		s.close(v, s.where()+" asks for a password by a scheme that is neither Basic nor Digest with MD5")
		return
	}
	s.tried++
	s.again(p, v, e, authorization)
}

// authorize gives the value of Authorization, nil if there is none that the server takes.
func authorize(fields *abi.Fields, t *target, entropy [16]byte) (value []byte) {
	for f := range fields.All() {
		if !httptext.EqualFold(f.Name, "WWW-Authenticate") {
			continue
		}
		for rest, more := f.Value, true; more; { // several challenges may share a line (RFC 9110 11.6.1)
			var token []byte
			if token, rest, more = httptext.NextToken(rest); !more {
				break
			}
			switch {
			case httptext.HasPrefixFold(token, "Digest "):
				if c, ok := readChallenge(token[len("Digest "):], rest); ok {
					return digest(&c, t, entropy)
				}
			case httptext.HasPrefixFold(token, "Basic ") || httptext.EqualFold(token, "Basic"):
				value = basic(t)
			}
		}
	}
	return value
}

// basic is RFC 7617 2.
func basic(t *target) []byte {
	pair := append(append(append([]byte(nil), t.user...), ':'), t.password...)
	return base64.StdEncoding.AppendEncode([]byte("Basic "), pair)
}

// readChallenge reads the parameters of a Digest challenge, of which the first stands by
// itself. It is ok if it can be answered.
func readChallenge(parameter, rest []byte) (c challenge, ok bool) {
	known := true
	for more := true; more; parameter, rest, more = httptext.NextToken(rest) {
		name, value := httptext.NameValue(parameter)
		if value == nil {
			break // the next challenge
		}
		switch {
		case httptext.EqualFold(name, "realm"):
			c.realm = value
		case httptext.EqualFold(name, "nonce"):
			c.nonce = value
		case httptext.EqualFold(name, "opaque"):
			c.opaque = value
		case httptext.EqualFold(name, "algorithm"):
			c.session = httptext.EqualFold(value, "MD5-sess")
			known = c.session || httptext.EqualFold(value, "MD5")
		case httptext.EqualFold(name, "qop"):
			c.qop = true
			c.auth = listsAuth(value)
		}
	}
	return c, known && c.nonce != nil && (c.auth || !c.qop)
}

func listsAuth(qop []byte) bool {
	for token, rest, ok := httptext.NextToken(qop); ok; token, rest, ok = httptext.NextToken(rest) {
		if httptext.EqualFold(token, "auth") {
			return true
		}
	}
	return false
}

// digest answers a challenge (RFC 7616 3.4; without qop RFC 2069 2.4).
func digest(c *challenge, t *target, entropy [16]byte) []byte {
	client := appendHex(nil, entropy[:])
	realm := httptext.AppendUnquoted(nil, c.realm)
	a1 := hashed(t.user, realm, t.password)
	if c.session {
		a1 = hashed(a1, c.nonce, client)
	}
	a2 := hashed([]byte("GET"), t.path)
	response := hashed(a1, c.nonce, a2)
	if c.auth {
		response = hashed(a1, c.nonce, []byte("00000001"), client, []byte("auth"), a2)
	}
	b := []byte("Digest username=")
	b, bad := httptext.AppendQuoted(b, t.user)
	if bad != nil {
		return nil // it would not be a header field
	}
	for _, x := range [...]struct {
		name  string
		value []byte
	}{{`realm="`, c.realm}, {`nonce="`, c.nonce}, {`uri="`, t.path}, {`response="`, response}} {
		b = append(append(append(append(b, ", "...), x.name...), x.value...), '"')
	}
	if c.session {
		b = append(b, ", algorithm=MD5-sess"...)
	} else {
		b = append(b, ", algorithm=MD5"...)
	}
	if c.auth {
		b = append(append(append(b, `, qop=auth, nc=00000001, cnonce="`...), client...), '"')
	} else if c.session {
		b = append(append(append(b, `, cnonce="`...), client...), '"')
	}
	if c.opaque != nil {
		b = append(append(append(b, `, opaque="`...), c.opaque...), '"')
	}
	return b
}
