package httptext

import "bytes"

// HeadEnd returns the length of a message head with the blank line that ends it. Lines
// end with CR LF or LF. One blank line before the head belongs to it (RFC 9112 2.2).
func HeadEnd(b []byte) (n int, ok bool) {
	for n < len(b) {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 {
			return 0, false
		}
		if n > 0 && (i == 0 || i == 1 && b[n] == '\r') {
			return n + i + 1, true
		}
		n += i + 1
	}
	return 0, false
}

// NextLine returns the next line without its end, and what follows it; not ok if b
// holds no line end.
func NextLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, b, false
	}
	line, rest = b[:i], b[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest, true
}

// RequestLine splits `METHOD target PROTO/1.0` (RFC 9112 3, RFC 2326 6.1). Each part
// must be there, without control characters.
func RequestLine(line []byte) (method, target, proto []byte, ok bool) {
	i := bytes.IndexByte(line, ' ')
	j := bytes.LastIndexByte(line, ' ')
	if i <= 0 || j == i || !isToken(line[:i]) {
		return nil, nil, nil, false
	}
	method, target, proto = line[:i], Trim(line[i+1:j]), line[j+1:]
	if len(target) == 0 || bytes.IndexByte(target, ' ') >= 0 || bytes.IndexByte(proto, '/') <= 0 || !isText(line) {
		return nil, nil, nil, false
	}
	return method, target, proto, true
}

// NextField returns the next header line and what follows it. It is not ok at the blank
// line, at the end of b, and at a line that is no header or continues the one before
// (RFC 9112 5.2 forbids that); rest is then b.
func NextField(b []byte) (f Field, rest []byte, ok bool) {
	line, rest, ok := NextLine(b)
	if !ok {
		return Field{}, b, false
	}
	i := bytes.IndexByte(line, ':')
	if i <= 0 || !isToken(line[:i]) || !isText(line[i:]) {
		return Field{}, b, false
	}
	return Field{line[:i], Trim(line[i+1:])}, rest, true
}

// tokenBits marks the characters of a token (RFC 9110 5.6.2) among those below 128.
var tokenBits = func() (set [2]uint64) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		set[c>>6] |= 1 << (c & 63)
	}
	return set
}()

func isToken[S ~string | ~[]byte](s S) bool {
	for i := range len(s) {
		if c := s[i]; c >= 128 || tokenBits[c>>6]>>(c&63)&1 == 0 {
			return false
		}
	}
	return len(s) > 0
}

// isText reports whether s has no control characters but tabs.
func isText[S ~string | ~[]byte](s S) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return true
}
