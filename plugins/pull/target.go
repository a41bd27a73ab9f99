package main

import (
	"bytes"

	"github.com/weir-media/weir/sdk/httptext"
)

// target is a source's URL in parts.
type target struct {
	scheme   string // http, https, tcp or tls
	host     []byte // with its port, if it has one
	path     []byte // with its query; begins with "/" for http and https
	userinfo []byte // as it stands in the URL
	user     []byte // decoded
	password []byte // decoded
	hasUser  bool
}

// schemes maps those that the plugin takes to those that the host dials. mmsh: and mms:
// are MS-WMSP over HTTP (wire digest §1, §3).
var schemes = [...]struct{ from, to string }{
	{"http", "http"}, {"mmsh", "http"}, {"mms", "http"}, {"https", "https"}, {"tcp", "tcp"}, {"tls", "tls"},
}

// parseTarget reads an absolute URL. It is ok when the scheme is one of schemes and a
// host is there; the host's own rules judge the rest.
func parseTarget(url []byte) (t target, ok bool) {
	i := bytes.Index(url, []byte("://"))
	if i < 0 {
		return target{}, false
	}
	for _, s := range schemes {
		if httptext.EqualFold(url[:i], s.from) {
			t.scheme = s.to
		}
	}
	rest := url[i+3:]
	if j := bytes.IndexByte(rest, '#'); j >= 0 {
		rest = rest[:j]
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t.host, t.path = rest[:end], rest[end:]
	if j := bytes.LastIndexByte(t.host, '@'); j >= 0 {
		if !t.credentials(t.host[:j]) {
			return target{}, false
		}
		t.host = t.host[j+1:]
	}
	if t.isHTTP() && (len(t.path) == 0 || t.path[0] != '/') {
		t.path = append([]byte{'/'}, t.path...) // RFC 9112 3.2.1
	}
	return t, t.scheme != "" && len(t.host) > 0
}

func (t *target) isHTTP() bool { return t.scheme == "http" || t.scheme == "https" }

// credentials reads USER:PASSWORD (RFC 3986 3.2.1).
func (t *target) credentials(b []byte) bool {
	user, password := b, []byte(nil)
	if i := bytes.IndexByte(b, ':'); i >= 0 {
		user, password = b[:i], b[i+1:]
	}
	t.userinfo = b
	var first, second error
	t.user, first = httptext.AppendDecoded(nil, user)
	t.password, second = httptext.AppendDecoded(nil, password)
	t.hasUser = true
	return first == nil && second == nil
}

// append appends the URL that the host is to dial, without credentials.
func (t *target) append(b []byte) []byte {
	b = append(append(b, t.scheme...), "://"...)
	return append(append(b, t.host...), t.path...)
}

// appendWhole appends the URL with its credentials.
func (t *target) appendWhole(b []byte) []byte {
	b = append(append(b, t.scheme...), "://"...)
	if t.hasUser {
		b = append(append(b, t.userinfo...), '@')
	}
	return append(append(b, t.host...), t.path...)
}

// follow gives where a Location leads (RFC 9110 10.2.2, RFC 3986 5.2), without
// credentials of its own. Those of t go along only to the same host.
func (t *target) follow(location []byte) (to target, ok bool) {
	location = httptext.Trim(location)
	if i := bytes.IndexByte(location, '#'); i >= 0 {
		location = location[:i]
	}
	switch {
	case len(location) == 0:
		return target{}, false
	case bytes.HasPrefix(location, []byte("//")):
		return t.follow(append(append([]byte(t.scheme), ':'), location...))
	case hasScheme(location):
		if to, ok = parseTarget(location); !ok || !to.isHTTP() {
			return target{}, false
		}
		to.userinfo, to.user, to.password, to.hasUser = nil, nil, nil, false
		if to.scheme == t.scheme && bytes.EqualFold(to.host, t.host) {
			to.userinfo, to.user, to.password, to.hasUser = t.userinfo, t.user, t.password, t.hasUser
		}
		return to, true
	}
	to = *t
	path := t.path
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	switch location[0] {
	case '/':
		path = nil
	case '?':
	default:
		path = path[:bytes.LastIndexByte(path, '/')+1]
	}
	to.path = append(bytes.Clone(path), location...)
	return to, true
}

// hasScheme tells an absolute reference (RFC 3986 3.1).
func hasScheme(b []byte) bool {
	i := bytes.IndexAny(b, ":/?")
	return i > 0 && b[i] == ':'
}
