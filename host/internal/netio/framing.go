package netio

import (
	"bytes"
	"errors"
	"math"
	"sync/atomic"
)

// The bounds of what framing reads: chosen.
const (
	maxFieldKept  = 96      // bytes of a line that are looked at: the fields that frame are short
	maxChunkField = 256     // bytes of a chunk-size line with its extensions, which nobody needs
	maxTrailer    = 8 << 10 // bytes of a trailer
	maxBlankLines = 2       // before a request line (RFC 9112 2.2)
)

// errFraming ends the reading of a body whose framing can be read in two ways.
var errFraming = errors.New("ambiguous framing of the request body")

// framing watches the bytes of an HTTP/1 connection on their way to net/http, and finds
// the requests in them by strict rules (RFC 9112 6.3, 7.1, 11.2): a head with both
// Content-Length and Transfer-Encoding or with either twice, bare line feeds, folded
// lines, blanks before a colon, or chunk framing with anything odd in it is refused,
// where net/http would make the best of it. So what a request's end is here, it is for
// every other reader of the same bytes, and nothing can be hidden behind it.
//
// One goroutine at a time calls observe, and one next; they may be two.
type framing struct {
	heads atomic.Uint32 // complete heads seen
	bad   atomic.Uint32 // number of the first request that is refused; 0: none
	asked uint32        // requests that next was asked about

	at    framingState
	left  uint64 // bytes of body or chunk to come
	line  lineWatch
	head  headWatch
	count int // blank lines, or bytes of a trailer
}

type framingState uint8

const (
	inRequestLine framingState = iota
	inHead
	inBody // left bytes, then the next request
	inChunkSize
	inChunk // left bytes, with the line end after them
	inTrailer
	inNothing // after a head that is refused
	inRuins   // after a body that is refused
)

// headWatch is what frames a request's body.
type headWatch struct {
	old              bool // HTTP/1.0
	lengths, codings int
	length           uint64
	chunked          bool
}

// next is asked once for each request that net/http has found, in order, and tells
// whether it is the one that was seen here, and sound.
func (f *framing) next() bool {
	f.asked++
	bad := f.bad.Load()
	return f.heads.Load() >= f.asked && (bad == 0 || f.asked < bad)
}

// observe takes what was read. Its error is for the reader, instead of the bytes.
func (f *framing) observe(b []byte) error {
	for len(b) > 0 {
		switch f.at {
		case inNothing:
			return nil
		case inRuins:
			return errFraming
		case inBody, inChunk:
			n := min(f.left, uint64(len(b)))
			if f.at == inChunk && !f.chunkEnds(b[:n]) {
				return f.refuse()
			}
			f.left -= n
			b = b[n:]
			switch {
			case f.left > 0:
			case f.at == inBody:
				f.at = inRequestLine
			default:
				f.at = inChunkSize
			}
		default:
			rest, complete, ok := f.line.take(b)
			if b = rest; !ok || complete && !f.endLine() {
				return f.refuse()
			}
		}
	}
	return nil
}

// refuse stops the watch. A bad head is answered, once net/http has read it; a bad body
// ends the reading.
func (f *framing) refuse() error {
	inside := f.at == inRequestLine || f.at == inHead
	number := f.heads.Load()
	if inside {
		number++
	}
	f.bad.Store(max(number, 1))
	if inside {
		f.at = inNothing
		return nil
	}
	f.at = inRuins
	return errFraming
}

// chunkEnds checks the two bytes after a chunk's data, of which b is the next piece.
func (f *framing) chunkEnds(b []byte) bool {
	for i, want := range []byte("\r\n") {
		at := int64(f.left) - int64(2-i) // of that byte in b
		if at >= 0 && at < int64(len(b)) && b[at] != want {
			return false
		}
	}
	return true
}

// endLine judges a complete line.
func (f *framing) endLine() bool {
	l := &f.line
	defer l.clear()
	switch f.at {
	case inRequestLine:
		return f.requestLine(l)
	case inHead:
		if l.n > 0 {
			return f.head.field(l)
		}
		return f.endHead()
	case inChunkSize:
		return f.chunkSize(l)
	}
	if f.count += l.n; l.n == 0 {
		f.at, f.count = inRequestLine, 0
		return true
	}
	return f.count <= maxTrailer && f.head.trailer(l)
}

func (f *framing) requestLine(l *lineWatch) bool {
	if l.n == 0 {
		f.count++
		return f.count <= maxBlankLines
	}
	f.count = 0
	f.at = inHead
	version := l.tail[:]
	f.head = headWatch{old: bytes.Equal(version, []byte(" HTTP/1.0"))}
	return f.head.old || bytes.Equal(version, []byte(" HTTP/1.1"))
}

// endHead finds how the body is framed.
func (f *framing) endHead() bool {
	h := &f.head
	switch {
	case h.codings > 1, h.lengths > 1, h.codings > 0 && (h.lengths > 0 || h.old || !h.chunked):
		return false
	case h.codings > 0:
		f.at = inChunkSize
	case h.length > 0:
		f.at, f.left = inBody, h.length
	default:
		f.at = inRequestLine
	}
	f.heads.Add(1)
	return true
}

func (f *framing) chunkSize(l *lineWatch) bool {
	if l.n > maxChunkField || l.n > len(l.kept) && bytes.IndexByte(l.text(), ';') < 0 {
		return false
	}
	digits, extension, extended := bytes.Cut(l.text(), []byte{';'})
	n, err := parseHex(digits)
	if err != nil || n > math.MaxInt64-2 || extended && bytes.ContainsFunc(extension, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
		return false
	}
	if n == 0 {
		f.at, f.count = inTrailer, 0
		return true
	}
	f.at, f.left = inChunk, n+2
	return true
}
