package rtsp

import "github.com/weir-media/weir/sdk/httptext"

// Request is the head of a request. Its slices are views of what was parsed. The zero
// value is no request.
type Request struct {
	Method []byte // case included (6.1)
	URI    []byte // absolute, or "*"
	fields []byte // the header lines with the blank line

	CSeq          uint64 // of the field CSeq (12.17); may be 0
	HasCSeq       bool
	ContentLength uint64 // bytes of the body that follows the head; 0 if not told
}

// ParseRequest reads the request that b begins with, and tells how many bytes its head
// has, with the blank line. The body is not looked at. With ErrMalformed and ErrVersion n
// and CSeq are given as far as they are known, for the answer.
func ParseRequest(b []byte) (r Request, n int, err error) {
	n, ok := httptext.HeadEnd(b)
	if !ok {
		return Request{}, 0, ErrIncomplete
	}
	line, rest, _ := httptext.NextLine(b[:n])
	if len(line) == 0 { // one blank line before the head belongs to it
		line, rest, _ = httptext.NextLine(rest)
	}
	method, target, proto, ok := httptext.RequestLine(line)
	r = Request{fields: rest}
	if !r.numbers() || !ok {
		return r, n, ErrMalformed
	}
	r.Method, r.URI = method, target
	switch string(proto) {
	case "RTSP/1.0", "RTSP/2.0":
		return r, n, nil
	}
	return r, n, ErrVersion
}

// numbers reads the fields that are numbers; false: one of them is none, or is told twice
// and differently.
func (r *Request) numbers() bool {
	fine, told := true, false
	for rest := r.fields; ; {
		name, value, tail, ok := nextField(rest)
		if !ok {
			return fine
		}
		rest = tail
		switch {
		case !r.HasCSeq && httptext.EqualFold(name, "CSeq"):
			if r.CSeq, r.HasCSeq = httptext.Uint(value); !r.HasCSeq {
				fine = false
			}
		case httptext.EqualFold(name, "Content-Length"):
			n, isNumber := httptext.Uint(value)
			if !isNumber || told && n != r.ContentLength {
				fine = false
			}
			r.ContentLength, told = n, true
		}
	}
}

// nextField gives the next header line. Lines that are none are passed over.
func nextField(b []byte) (name, value, rest []byte, ok bool) {
	for len(b) > 0 {
		f, tail, isField := httptext.NextField(b)
		if isField {
			return f.Name, f.Value, tail, true
		}
		if _, b, ok = httptext.NextLine(b); !ok {
			return nil, nil, nil, false
		}
	}
	return nil, nil, nil, false
}

// Get gives the value of the first field with the name, trimmed.
func (r *Request) Get(name string) (value []byte, ok bool) {
	for rest := r.fields; ; {
		n, v, tail, more := nextField(rest)
		if !more {
			return nil, false
		}
		if httptext.EqualFold(n, name) {
			return v, true
		}
		rest = tail
	}
}

// Session gives the session that the request names, without parameters (12.37): some
// players send back `ID;timeout=60`. Empty: none.
func (r *Request) Session() []byte {
	v, _ := r.Get("Session")
	return httptext.MediaType(v)
}

// FrameHead is how many bytes precede the payload of an interleaved frame (10.12).
const FrameHead = 4

// FrameMark is the first byte of an interleaved frame.
const FrameMark = '$'

// AppendFrame appends the head of an interleaved frame whose payload has size bytes, 65535
// at most.
func AppendFrame(b []byte, channel uint8, size int) []byte {
	return append(b, FrameMark, channel, byte(size>>8), byte(size))
}

// Frame reads the head of the interleaved frame that b begins with; size is of its
// payload, in bytes. Not ok: b has no whole head, or begins with something else.
func Frame(b []byte) (channel uint8, size int, ok bool) {
	if len(b) < FrameHead || b[0] != FrameMark {
		return 0, 0, false
	}
	return b[1], int(b[2])<<8 | int(b[3]), true
}
