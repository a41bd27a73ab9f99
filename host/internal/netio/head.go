package netio

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// LengthToClose is the length of a body that lasts until the connection closes.
const LengthToClose = -1

// Head writes the head of an answer for a connection that is or will be
// hijacked, in the request's HTTP version, with Connection: close. length is
// the body's, in bytes, or LengthToClose.
func (x *Exchange) Head(status int, h http.Header, length int64) ([]byte, error) {
	if err := checkHead(status, h); err != nil {
		return nil, fmt.Errorf("response head: %w", err)
	}
	return appendHead(nil, x.Request, status, h, length), nil
}

// checkHead refuses what would break the framing of the answer.
func checkHead(status int, h http.Header) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("status %d is not between 200 and 599", status)
	}
	for name, values := range h {
		if name == "" || strings.IndexFunc(name, notToken) >= 0 {
			return fmt.Errorf("header name %q is not a token", name)
		}
		for _, v := range values {
			if strings.IndexFunc(v, notFieldValue) >= 0 {
				return fmt.Errorf("header %s: value %q has control characters", name, v)
			}
		}
	}
	return nil
}

// notToken tells what stands outside of tchar (RFC 9110 5.6.2).
func notToken(r rune) bool {
	return r >= 0x7F || r <= ' ' || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
}

// notFieldValue tells the control characters that a field value may not hold
// (RFC 9110 5.5).
func notFieldValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

// hasNoBody: RFC 9110 6.4.1.
func hasNoBody(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}

// fill sets an answer's header fields; the framing fields are the host's. A
// HEAD answer keeps the length that its maker names, if there is no body.
func fill(to http.Header, method string, status int, h http.Header, length int64) {
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		to[name] = append(to[name], values...)
	}
	delete(to, "Transfer-Encoding")
	if method == http.MethodHead && length <= 0 {
		return
	}
	delete(to, "Content-Length")
	if length >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		to.Set("Content-Length", strconv.FormatInt(length, 10))
	}
}

func appendHead(b []byte, r *http.Request, status int, h http.Header, length int64) []byte {
	fields := make(http.Header, len(h)+2)
	fill(fields, r.Method, status, h, length)
	fields.Set("Connection", "close")

	minor := "1"
	if !r.ProtoAtLeast(1, 1) {
		minor = "0"
	}
	reason := http.StatusText(status)
	if reason == "" {
		reason = "Status" // libmms wants a phrase after the code (wire digest 1.4)
	}
	b = append(b, "HTTP/1."+minor+" "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, " "+reason+"\r\n"...)

	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range fields[name] {
			b = append(b, name+": "+v+"\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}
