package netio

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
)

// BodyKind says how the end of a request's body is known.
type BodyKind uint8

// The kinds. BodyToClose is a POST, PUT or SOURCE with neither Content-Length
// nor chunked coding: HTTP reads that as no body (RFC 9112 6.3), encoders mean
// one that lasts as long as the connection (wire digest 0.10).
const (
	BodyNone BodyKind = iota
	BodyLength
	BodyChunked
	BodyToClose
)

var bodyKindNames = [...]string{"none", "length", "chunked", "to_close"}

// String is the kind's name in logs.
func (k BodyKind) String() string {
	if int(k) < len(bodyKindNames) {
		return bodyKindNames[k]
	}
	return "invalid"
}

func bodyKind(r *http.Request) BodyKind {
	switch {
	case len(r.TransferEncoding) > 0:
		return BodyChunked
	case r.ContentLength > 0:
		return BodyLength
	case len(r.Header["Content-Length"]) > 0:
		return BodyNone
	case r.ProtoMajor == 2 && r.ContentLength < 0: // its end is in the stream's framing
		return BodyChunked
	case r.ProtoMajor == 2:
		return BodyNone
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut, "SOURCE":
		return BodyToClose
	}
	return BodyNone
}

// expectsContinue: a server ignores the expectation of an HTTP/1.0 client
// (RFC 9110 10.1.1).
func expectsContinue(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && strings.EqualFold(r.Header.Get("Expect"), "100-continue")
}

// answersFirst tells a request whose client reads its answer before it sends the body:
// SOURCE of icecast's clients, those on libshout above all. HTTP/1.0 has no other way to
// let them begin. One of HTTP/1.1 (ffmpeg's) sends at once.
func answersFirst(r *http.Request, kind BodyKind) bool {
	return r.Method == "SOURCE" && !r.ProtoAtLeast(1, 1) && kind != BodyNone
}

// entityBuffer is the read buffer of a chunked body; larger reads inside a
// chunk pass it by: chosen.
const entityBuffer = 16 << 10

// bodyReader reads a hijacked request's body from what follows its head; nil
// for BodyNone and BodyToClose, where the input is the body. Chunked bodies
// read through the *bufio.Reader, which may hold input read ahead.
func bodyReader(kind BodyKind, length int64, input io.Reader) (io.Reader, *bufio.Reader) {
	switch kind {
	case BodyLength:
		return &lengthReader{input: input, left: length}, nil
	case BodyChunked:
		ahead := bufio.NewReaderSize(input, entityBuffer)
		return &chunkReader{in: ahead}, ahead
	}
	return nil, nil
}

// lengthReader reads exactly left bytes: an earlier end is unexpected.
type lengthReader struct {
	input io.Reader
	left  int64
}

func (r *lengthReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > r.left {
		b = b[:r.left]
	}
	n, err := r.input.Read(b)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) && r.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
