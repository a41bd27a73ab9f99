package sdk

import "strconv"

// Config reads a plugin's configuration: the JSON object of the OPEN event, which the
// host has already judged by the manifest's schema. Only values at the top level are
// found, for others there is Object; a key that is absent or has another type gives the
// fallback. Config is a view of the event, so read it in the open function and keep the
// values.
type Config []byte

// Int gives the whole number at key.
func (c Config) Int(key string, fallback int64) int64 {
	n, err := strconv.ParseInt(String(c.find(key)), 10, 64)
	if err != nil {
		return fallback
	}
	return n
}

// Bool gives the truth value at key.
func (c Config) Bool(key string, fallback bool) bool {
	switch String(c.find(key)) {
	case "true":
		return true
	case "false":
		return false
	}
	return fallback
}

// Text gives a copy of the string at key.
func (c Config) Text(key, fallback string) string {
	s, ok := unquote(c.find(key))
	if !ok {
		return fallback
	}
	return s
}

// Object gives a copy of the object at key, as a Config of its own; empty if there is none.
func (c Config) Object(key string) Config {
	v := c.find(key)
	if len(v) == 0 || v[0] != '{' {
		return nil
	}
	return append(Config(nil), v...)
}

// find gives the value's text as it stands in the object, nil if there is none.
func (c Config) find(key string) []byte {
	s := scan{b: c}
	if !s.take('{') {
		return nil
	}
	for {
		name := s.value()
		if name == nil || !s.take(':') {
			return nil
		}
		v := s.value()
		if v == nil {
			return nil
		}
		if k, ok := unquote(name); ok && k == key {
			return v
		}
		if !s.take(',') {
			return nil
		}
	}
}

// scan walks JSON text (RFC 8259) without judging it.
type scan struct {
	b  []byte
	at int
}

func (s *scan) blanks() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scan) take(c byte) bool {
	s.blanks()
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// value gives the next value's text, nil at the end or where none can be.
func (s *scan) value() []byte {
	s.blanks()
	start, depth := s.at, 0
	for ; s.at < len(s.b); s.at++ {
		switch s.b[s.at] {
		case '"':
			if !s.skipString() {
				return nil
			}
		case '{', '[':
			depth++
		case '}', ']', ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return s.since(start)
			}
			if c := s.b[s.at]; c == '}' || c == ']' {
				depth--
			}
		}
		if depth == 0 && (s.b[s.at] == '"' || s.b[s.at] == '}' || s.b[s.at] == ']') {
			s.at++
			return s.since(start)
		}
	}
	if depth > 0 {
		return nil
	}
	return s.since(start)
}

func (s *scan) since(start int) []byte {
	if start == s.at {
		return nil
	}
	return s.b[start:s.at]
}

// skipString leaves at on the closing quote.
func (s *scan) skipString() bool {
	for s.at++; s.at < len(s.b); s.at++ {
		switch s.b[s.at] {
		case '\\':
			s.at++
		case '"':
			return true
		}
	}
	return false
}

// unquote decodes a JSON string (RFC 8259 7). Half of a surrogate pair stands alone as
// the replacement character.
func unquote(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", false
	}
	b = b[1 : len(b)-1]
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		if i == len(b) {
			return "", false
		}
		switch b[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, n := escaped(b[i+1:])
			if n == 0 {
				return "", false
			}
			out = append(out, string(r)...)
			i += n
		default:
			out = append(out, b[i])
		}
	}
	return string(out), true
}

// escaped reads what follows \u, and the second half of a surrogate pair with it.
func escaped(b []byte) (r rune, n int) {
	first, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if first < 0xD800 || first > 0xDBFF || len(b) < 10 || b[4] != '\\' || b[5] != 'u' {
		return first, 4
	}
	second, ok := hex4(b[6:])
	if !ok || second < 0xDC00 || second > 0xDFFF {
		return first, 4
	}
	return (first-0xD800)<<10 + (second - 0xDC00) + 0x10000, 10
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(String(b[:4]), 16, 16)
	return rune(n), err == nil
}
