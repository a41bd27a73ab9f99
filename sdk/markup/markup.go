// Package markup writes text into documents of XML and HTML so that it stays text.
//
// It owns nothing and does no input or output. Bytes that anybody may have written come in;
// bytes without markup go out. It never panics, whatever the bytes are. All functions are
// safe for concurrent use.
package markup

import "unicode/utf8"

// Append appends text so that it is text to any reader of XML 1.0 or HTML, in quotes and
// outside. What is no UTF-8 becomes the replacement character, and characters that XML 1.0
// (2.2) does not have, white space but blanks among them, become "?".
func Append(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\'':
			b = append(b, "&#39;"...)
		case r < ' ' || r == 0x7F || r == 0xFFFE || r == 0xFFFF:
			b = append(b, '?')
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// AppendElement appends an element that holds text and nothing else, behind indent, with end
// after it; nothing if there is no text. The name is written as it is.
func AppendElement(b []byte, indent, name string, text []byte, end string) []byte {
	if len(text) == 0 {
		return b
	}
	b = append(append(append(append(b, indent...), '<'), name...), '>')
	b = Append(b, text)
	return append(append(append(append(b, "</"...), name...), '>'), end...)
}

// AppendLine appends text as one line of a document that knows no escapes: what would end
// the line, or is another control character, becomes "?", and what is no UTF-8 the
// replacement character.
func AppendLine(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r < ' ' || r >= 0x7F && r < 0xA0 || r == 0x2028 || r == 0x2029 {
			r = '?'
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}
