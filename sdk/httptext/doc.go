// Package httptext reads and writes the text of HTTP-like protocols: header lists,
// tokens, targets, numbers, and the Pragma lines of MS-WMSP.
//
// It owns nothing and does no input or output. Wire text comes in as byte slices and
// goes out as views of them; what a caller names (a header, a token) is a string.
// Builders append to a slice of the caller's. It never allocates beyond that slice's
// growth, never keeps a slice, and never panics, whatever the bytes are.
//
// Comparison ignores case for ASCII letters only. All functions are safe for
// concurrent use.
package httptext

import (
	"bytes"
	"errors"
)

// Errors of this package. They are returned as they are, never wrapped.
var (
	// ErrEscape: a percent escape is malformed or stands for a NUL byte.
	ErrEscape = errors.New("httptext: malformed percent escape")
	// ErrField: a header line would contain a line break, a NUL, or a name that is no token.
	ErrField = errors.New("httptext: name or value not allowed in a header")
)

// Field is one header line.
type Field struct{ Name, Value []byte }

// Get returns the value of the first field with the name, trimmed.
func Get(fields []Field, name string) (value []byte, ok bool) {
	for i := range fields {
		if EqualFold(fields[i].Name, name) {
			return Trim(fields[i].Value), true
		}
	}
	return nil, false
}

// HasToken reports whether one of the fields with the name lists the token, as in
// `Connection: close, TE` (RFC 9110 5.6.1). A parameter behind the token is ignored.
func HasToken(fields []Field, name, token string) bool {
	for i := range fields {
		if !EqualFold(fields[i].Name, name) {
			continue
		}
		for rest := fields[i].Value; ; {
			t, tail, ok := NextToken(rest)
			if !ok {
				break
			}
			if EqualFold(MediaType(t), token) {
				return true
			}
			rest = tail
		}
	}
	return false
}

// Agent reports whether the User-Agent contains one of the substrings, case included.
func Agent(fields []Field, parts ...string) bool {
	value, _ := Get(fields, "User-Agent")
	for _, s := range parts {
		if index(value, s) >= 0 {
			return true
		}
	}
	return false
}

// index is bytes.Index for a string.
func index(b []byte, s string) int {
	if s == "" {
		return 0
	}
	for at := 0; len(b)-at >= len(s); at++ {
		i := bytes.IndexByte(b[at:len(b)-len(s)+1], s[0])
		if i < 0 {
			return -1
		}
		at += i
		if string(b[at:at+len(s)]) == s {
			return at
		}
	}
	return -1
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// EqualFold reports whether b and s are equal but for the case of ASCII letters.
func EqualFold(b []byte, s string) bool { return len(b) == len(s) && HasPrefixFold(b, s) }

// HasPrefixFold reports whether b begins with s, ignoring case.
func HasPrefixFold(b []byte, s string) bool {
	if len(b) < len(s) {
		return false
	}
	for i := range len(s) {
		if b[i] != s[i] && lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

// ContainsFold reports whether s occurs in b, ignoring case.
func ContainsFold(b []byte, s string) bool { return indexFold(b, s) >= 0 }

func indexFold(b []byte, s string) int {
	for at := 0; len(b)-at >= len(s); at++ {
		if HasPrefixFold(b[at:], s) {
			return at
		}
	}
	return -1
}

// Trim cuts blanks and tabs from both ends.
func Trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// split cuts b at the first separator that stands outside quotes. Without one the rest
// is nil.
func split(b []byte, separator byte) (head, rest []byte) {
	// A quote is looked for only before the separator: a search of the whole rest for
	// each part would make a list of separators quadratic.
	end := bytes.IndexByte(b, separator)
	before := b
	if end >= 0 {
		before = b[:end]
	}
	quote := bytes.IndexByte(before, '"')
	if quote < 0 {
		if end < 0 {
			return b, nil
		}
		return b[:end], b[end+1:]
	}
	quoted := false
	for i := quote; i < len(b); i++ {
		switch {
		case b[i] == '"':
			quoted = !quoted
		case b[i] == '\\' && quoted:
			i++
		case b[i] == separator && !quoted:
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// NextToken returns the next member of a comma-separated list, trimmed, and what
// follows it. Empty members are skipped; commas in quotes do not separate.
func NextToken(list []byte) (token, rest []byte, ok bool) {
	for len(list) > 0 {
		token, list = split(list, ',')
		if token = Trim(token); len(token) > 0 {
			return token, list, true
		}
	}
	return nil, nil, false
}

// NameValue splits `name=value`, trimmed. Quotes around the value are cut; escapes in
// it stay, see AppendUnquoted. Value is nil without an equals sign.
func NameValue(token []byte) (name, value []byte) {
	i := bytes.IndexByte(token, '=')
	if i < 0 {
		return Trim(token), nil
	}
	return Trim(token[:i]), unquote(Trim(token[i+1:]))
}

func unquote(v []byte) []byte {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}

// AppendUnquoted appends a value with its backslash escapes resolved (RFC 9110 5.6.4),
// with or without the quotes around it.
func AppendUnquoted(dst, v []byte) []byte {
	v = unquote(v)
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 == len(v) {
			return append(dst, v...)
		}
		dst = append(append(dst, v[:i]...), v[i+1])
		v = v[i+2:]
	}
}

// MediaType returns what precedes the first semicolon of a value, trimmed.
func MediaType(v []byte) []byte {
	head, _ := split(v, ';')
	return Trim(head)
}

// Param returns a parameter behind a semicolon, as in `text/html; charset="utf-8"`,
// without its quotes.
func Param(v []byte, name string) (value []byte, ok bool) {
	_, rest := split(v, ';')
	for rest != nil {
		var p []byte
		p, rest = split(rest, ';')
		if n, value := NameValue(p); EqualFold(n, name) {
			return value, true
		}
	}
	return nil, false
}
