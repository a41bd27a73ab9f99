package access

import (
	"crypto/md5" // RFC 7616: most players know no other algorithm
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The names of Digest's algorithms (RFC 7616 6.1).
const (
	algorithmMD5    = "MD5"
	algorithmSHA256 = "SHA-256"
)

// maxCredentials bounds the value of an Authorization in bytes (chosen: above a long URI).
const maxCredentials = 4 << 10

// digested is what a Digest Authorization says.
type digested struct {
	username, realm, nonce, uri, response, algorithm, cnonce, qop, nc string
}

// parseDigest reads the value behind "Digest ". It is not ok if it is malformed, too
// long, or says something twice.
func parseDigest(s string) (d digested, ok bool) {
	if len(s) > maxCredentials {
		return d, false
	}
	to := map[string]*string{
		"username": &d.username, "realm": &d.realm, "nonce": &d.nonce, "uri": &d.uri, "response": &d.response,
		"algorithm": &d.algorithm, "cnonce": &d.cnonce, "qop": &d.qop, "nc": &d.nc,
	}
	for s = strings.TrimLeft(s, " \t,"); s != ""; s = strings.TrimLeft(s, " \t,") {
		name, rest, found := strings.Cut(s, "=")
		if !found {
			return d, false
		}
		value, after, fine := parseValue(strings.TrimLeft(rest, " \t"))
		if !fine {
			return d, false
		}
		s = after
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if p, known := to[name]; known {
			if *p = value; value == "" && name != "cnonce" {
				return d, false
			}
			delete(to, name)
			continue
		}
		switch name {
		case "username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "qop", "nc":
			return d, false // twice: others might take the other
		}
	}
	return d, d.username != "" && d.nonce != "" && d.uri != "" && d.response != ""
}

// parseValue reads a token or a quoted string (RFC 9110 5.6.4).
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// digest judges a Digest Authorization.
func (g *Guard) digest(p *Policy, rule *Rule, q *Request, rest string, now time.Time) proof {
	d, ok := parseDigest(rest)
	if !ok {
		return proof{answer: Wrong}
	}
	var by Methods
	switch {
	case d.algorithm == "" || strings.EqualFold(d.algorithm, algorithmMD5):
		by = Digest
	case strings.EqualFold(d.algorithm, algorithmSHA256):
		by = DigestSHA256
	}
	if rule.Methods&by == 0 || d.realm != p.Realm {
		return proof{answer: NoLogin} // it answers what it was not asked
	}
	x, fresh := g.nonces.read(d.nonce, now)
	if !fresh {
		return proof{answer: NoLogin, stale: true} // an old server's, too, or one that nobody gave
	}
	count, isCounted := uint64(0), d.qop == "auth"
	if isCounted {
		var err error
		if count, err = strconv.ParseUint(d.nc, 16, 32); err != nil || len(d.nc) != 8 {
			return proof{answer: Wrong}
		}
	} else if d.qop != "" || !q.Old {
		return proof{answer: Wrong}
	}
	if !sameURI(d.uri, q.URI, q.Old) {
		return proof{answer: Wrong}
	}
	a := p.Users.find(d.username)
	want := d.answer(by, p.Users.secret(a, by), q.Method)
	if subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(d.response))) != 1 || a == nil || !a.has(by, p.Realm) {
		return proof{answer: Wrong}
	}
	if isCounted && !g.nonces.use(x, uint32(count), now) {
		return proof{answer: NoLogin, stale: true}
	}
	return proof{user: a.name, by: by}
}

// answer is the response that is right (RFC 7616 3.4.1; without qop RFC 2069 2.1.2).
func (d *digested) answer(by Methods, secret, method string) string {
	of := hashText(by, method+":"+d.uri)
	if d.qop == "" {
		return hashText(by, secret+":"+d.nonce+":"+of)
	}
	return hashText(by, strings.Join([]string{secret, d.nonce, d.nc, d.cnonce, d.qop, of}, ":"))
}

// hashText is H of RFC 7616 3.3, in lower-case hex.
func hashText(by Methods, text string) string {
	var h hash.Hash
	if by == DigestSHA256 {
		h = sha256.New()
	} else {
		h = md5.New()
	}
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

// sameURI tells whether credentials are for the request that they came with. Some clients
// name the path of what they ask for by a whole URL, or the other way round; old ones may
// name what contains it.
func sameURI(said, asked string, old bool) bool {
	if said == asked {
		return true
	}
	a, b := pathOf(said), pathOf(asked)
	if a == b {
		return true
	}
	a, b = strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/")
	return old && (a == b || strings.HasPrefix(b, a+"/") || strings.HasPrefix(a, b+"/"))
}

// pathOf is a URI without scheme and authority.
func pathOf(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.RequestURI()
	}
	return s
}
