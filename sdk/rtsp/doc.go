// Package rtsp reads RTSP requests, their Transport fields and interleaved frames, and
// writes the lines of answers (RFC 2326).
//
// It owns nothing and does no input or output. What a peer has sent comes in as byte
// slices; requests and transports go out as values whose slices are views of them, and
// answers are appended to a slice of the caller's. It never allocates beyond that slice's
// growth, never keeps a slice, and never panics, whatever the bytes are.
//
// It is lenient where players are: a version 2.0 is read like 1.0, lines end with CR LF
// or LF, a line that is no header is passed over, names are compared without regard to
// case. Section numbers are those of RFC 2326. All functions are safe for concurrent use.
package rtsp

import "errors"

// Errors of ParseRequest.
var (
	// ErrIncomplete: the head's blank line has not come yet.
	ErrIncomplete = errors.New("rtsp: the request's head is not complete")
	// ErrMalformed: no request line, or a number that is none.
	ErrMalformed = errors.New("rtsp: malformed request")
	// ErrVersion: another protocol than RTSP 1.0 or 2.0.
	ErrVersion = errors.New("rtsp: not RTSP 1.0")
)
