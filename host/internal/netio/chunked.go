package netio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	maxChunkLine = 4096     // bytes, as net/http/internal has it
	maxChunkWork = 16 << 10 // bytes of framing above what the data excuses, as net/http/internal has it
	chunkExcuse  = 16       // bytes of framing that each chunk may have
)

var (
	errChunkLine  = errors.New("chunked body: malformed chunk size line")
	errChunkEnd   = errors.New("chunked body: no line end after a chunk's data")
	errChunkWork  = errors.New("chunked body: too much framing for its data")
	errChunkRange = errors.New("chunked body: chunk size too large")
)

type chunkPhase uint8

const (
	chunkSize chunkPhase = iota // in a size line
	chunkData
	chunkTail // in the line end after the data
	chunkOver // after the last size line
)

// ChunkState is how far the decoding of a chunked body has come. The zero value is its
// beginning.
type ChunkState struct {
	Phase chunkPhase
	Left  uint64 // bytes of the chunk's data that are to come
	Line  []byte // what has come of a size line or line end
	Work  int64  // framing so far, above what the data excuses
}

// chunkReader takes the chunk framing off a body (RFC 9112 7.1). Unlike
// httputil.NewChunkedReader it goes on after a deadline, and in another process from
// its state. It does not read trailers: after the last chunk comes io.EOF.
type chunkReader struct {
	in    *bufio.Reader
	state ChunkState
	err   error // for good
}

// Read gives data that has come, and waits for more only if there is none.
func (r *chunkReader) Read(b []byte) (n int, err error) {
	for n < len(b) && r.err == nil {
		if r.state.Phase == chunkOver {
			r.err = io.EOF
			break
		}
		if n > 0 && !r.isReady() {
			return n, nil
		}
		if r.state.Phase != chunkData {
			err = r.line()
		} else {
			var m int
			m, err = r.data(b[n:])
			n += m
		}
		if err != nil {
			break
		}
	}
	if n > 0 {
		return n, nil // what went wrong comes again, or is kept
	}
	if r.err != nil {
		err = r.err
	}
	return 0, err
}

// isReady tells whether the next step needs no more input than has come.
func (r *chunkReader) isReady() bool {
	if r.state.Phase == chunkData {
		return r.in.Buffered() > 0
	}
	ahead, _ := r.in.Peek(r.in.Buffered())
	return bytes.IndexByte(ahead, '\n') >= 0
}

func (r *chunkReader) data(b []byte) (int, error) {
	if uint64(len(b)) > r.state.Left {
		b = b[:r.state.Left]
	}
	n, err := r.in.Read(b)
	if r.state.Left -= uint64(n); r.state.Left == 0 {
		r.state.Phase = chunkTail
	}
	return n, r.fatal(err)
}

// fatal keeps an error after which nothing can come: all but a deadline.
func (r *chunkReader) fatal(err error) error {
	switch {
	case err == nil || isTimeout(err):
		return err
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	r.err = err
	return err
}

// line reads to the end of a size line, or of a chunk.
func (r *chunkReader) line() error {
	s := &r.state
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return r.fatal(err)
		}
		s.Line = append(s.Line, c)
		switch {
		case s.Phase == chunkTail && c != "\r\n"[len(s.Line)-1]:
			return r.fatal(errChunkEnd)
		case len(s.Line) > maxChunkLine:
			return r.fatal(errChunkLine)
		case c == '\n':
			return r.fatal(r.judge())
		}
	}
}

// judge takes a complete line.
func (r *chunkReader) judge() error {
	s := &r.state
	line := s.Line
	s.Line = s.Line[:0]
	if s.Phase == chunkTail {
		s.Phase = chunkSize
		return nil
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.ContainsAny(text, "\r\n") {
		return errChunkLine // a bare line feed: others may see a different line
	}
	text, _, _ = bytes.Cut(text, []byte(";")) // chunk extensions mean nothing here
	n, err := parseHex(bytes.TrimRight(text, " \t"))
	if err != nil {
		return err
	}
	s.Work += int64(len(line))
	s.Work -= chunkExcuse + 2*int64(min(n, maxChunkWork))
	if s.Work = max(s.Work, 0); s.Work > maxChunkWork {
		return errChunkWork
	}
	s.Left, s.Phase = n, chunkData
	if n == 0 {
		s.Phase = chunkOver
	}
	return nil
}

func parseHex(digits []byte) (n uint64, err error) {
	switch {
	case len(digits) == 0:
		return 0, errChunkLine
	case len(digits) > 16:
		return 0, errChunkRange
	}
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errChunkLine
		}
		n = n<<4 | uint64(c)
	}
	return n, nil
}
