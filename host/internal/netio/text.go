package netio

import (
	"bytes"
	"strconv"
)

// maxMethodLetters bounds the method token that counts as HTTP or RTSP: chosen;
// the longest registered method, UPDATEREDIRECTREF, has 17 and no use here.
const maxMethodLetters = 16

// textProtocol is what a connection that begins with a method speaks.
type textProtocol uint8

const (
	textNeither textProtocol = iota
	textUnfinished
	textHTTP
	textRTSP
)

// textKind tells HTTP from RTSP. Both begin with a method of capital letters and
// a space (RFC 9112 3, RFC 2326 6.1; only RTSP has methods with '_'). A method
// that RTSP does not have is HTTP at once; with any other the line's end tells,
// where RTSP puts its version, or the scheme if the line has no end in sight.
func textKind(b []byte) textProtocol {
	n, underscore := 0, false
	for n < len(b) && b[n] != ' ' {
		c := b[n]
		if (c < 'A' || c > 'Z') && c != '_' || n == maxMethodLetters {
			return textNeither
		}
		underscore = underscore || c == '_'
		n++
	}
	switch {
	case n == len(b):
		return textUnfinished
	case n == 0:
		return textNeither
	case httpOnly(b[:n]):
		return textHTTP
	}
	line, _, ended := bytes.Cut(b[n:], []byte{'\n'})
	switch {
	case !ended && len(b) < SniffBytes:
		return textUnfinished
	case ended && rtspVersion(line) != "", !ended && bytes.HasPrefix(line, []byte(" rtsp")):
		return textRTSP
	case underscore:
		return textNeither
	}
	return textHTTP
}

// httpOnly tells the methods that RTSP does not share (RFC 2326 10, RFC 7826 13);
// SOURCE is Icecast's.
func httpOnly(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "TRACE", "PATCH", "SOURCE":
		return true
	}
	return false
}

// rtspVersion is the version at the end of an RTSP request line, or empty.
func rtspVersion(line []byte) string {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	switch {
	case bytes.HasSuffix(line, []byte(" RTSP/1.0")):
		return "RTSP/1.0"
	case bytes.HasSuffix(line, []byte(" RTSP/2.0")):
		return "RTSP/2.0"
	}
	return ""
}

// refuseRTSP answers an RTSP request that nobody takes: at once, so that a player
// goes over to its next protocol (wire digest 7.1).
func refuseRTSP(head []byte) []byte {
	line, rest, _ := bytes.Cut(head, []byte{'\n'})
	version := rtspVersion(line)
	if version == "" {
		version = "RTSP/1.0"
	}
	b := []byte(version + " 503 Service Unavailable\r\n")
	if n, ok := sequenceOf(rest); ok {
		b = append(strconv.AppendUint(append(b, "CSeq: "...), n, 10), "\r\n"...)
	}
	return append(b, "Connection: close\r\n\r\n"...)
}

// sequenceOf finds the CSeq of a request, which its answer repeats (RFC 2326 12.17).
func sequenceOf(fields []byte) (uint64, bool) {
	for len(fields) > 0 {
		var line []byte
		line, fields, _ = bytes.Cut(fields, []byte{'\n'})
		name, value, ok := bytes.Cut(line, []byte{':'})
		if ok && bytes.EqualFold(name, []byte("CSeq")) {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 32)
			return n, err == nil
		}
	}
	return 0, false
}
