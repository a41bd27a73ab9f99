package netio

import (
	"bytes"
	"strconv"
)

// lineWatch gathers one line that may come in pieces, and keeps of it what is needed.
// The zero value is ready.
type lineWatch struct {
	kept [maxFieldKept]byte
	tail [len(" HTTP/1.1")]byte // the last bytes
	n    int                    // bytes without the line end
	cr   bool                   // the last byte was a carriage return
}

func (l *lineWatch) clear() { l.n, l.cr = 0, false }

// text is the line, or its beginning.
func (l *lineWatch) text() []byte { return l.kept[:min(l.n, len(l.kept))] }

// take adds to the line up to its end and gives what follows. It is not ok if there is a
// line feed or carriage return alone, or a zero byte.
func (l *lineWatch) take(b []byte) (rest []byte, complete, ok bool) {
	end := bytes.IndexByte(b, '\n')
	piece := b
	if end >= 0 {
		piece, rest, complete = b[:end], b[end+1:], true
	}
	if l.cr && len(piece) > 0 {
		return rest, complete, false
	}
	if body, cr := bytes.CutSuffix(piece, []byte{'\r'}); cr {
		l.cr, piece = true, body
	}
	if bytes.IndexByte(piece, '\r') >= 0 || bytes.IndexByte(piece, 0) >= 0 || complete && !l.cr {
		return rest, complete, false
	}
	if l.n < len(l.kept) {
		copy(l.kept[l.n:], piece)
	}
	if len(piece) >= len(l.tail) {
		copy(l.tail[:], piece[len(piece)-len(l.tail):])
	} else {
		copy(l.tail[:], l.tail[len(piece):])
		copy(l.tail[len(l.tail)-len(piece):], piece)
	}
	l.n += len(piece)
	return rest, complete, true
}

var (
	lengthField = []byte("Content-Length")
	codingField = []byte("Transfer-Encoding")
)

// field looks at a field line of a head for what frames the body.
func (h *headWatch) field(l *lineWatch) bool {
	name, value, ok := l.field()
	if !ok {
		return false
	}
	whole := l.n <= len(l.kept)
	switch {
	case bytes.EqualFold(name, lengthField):
		h.lengths++
		n, err := strconv.ParseUint(string(value), 10, 63)
		h.length = n
		return whole && err == nil
	case bytes.EqualFold(name, codingField):
		h.codings++
		h.chunked = bytes.EqualFold(value, []byte("chunked"))
		return whole
	}
	return true
}

// trailer: fields that frame may not come late (RFC 9110 6.5.1).
func (h *headWatch) trailer(l *lineWatch) bool {
	name, _, ok := l.field()
	return ok && !bytes.EqualFold(name, lengthField) && !bytes.EqualFold(name, codingField)
}

// field takes a field line apart. It is not ok if folded, without a colon in sight, or
// with a blank before that. A name too long to be seen whole frames nothing.
func (l *lineWatch) field() (name, value []byte, ok bool) {
	text := l.text()
	name, value, found := bytes.Cut(text, []byte{':'})
	if len(name) == 0 || bytes.ContainsAny(name, " \t") || !found && l.n == len(text) {
		return nil, nil, false
	}
	return name, bytes.Trim(value, " \t"), true
}
