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

// usualFields and usualHead are what most answers have and take: chosen.
const (
	usualFields = 12
	usualHead   = 512
)

// field is a header field of an answer, with its values.
type field struct {
	name   string
	values []string
}

// appendHead writes what fill sets, and that the connection closes, sorted by name.
func appendHead(b []byte, r *http.Request, status int, h http.Header, length int64) []byte {
	fields := append(make([]field, 0, usualFields), field{"Connection", []string{"close"}})
	isNamed := r.Method == http.MethodHead && length <= 0 // see fill
	if !isNamed && length >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		fields = append(fields, field{"Content-Length", []string{strconv.FormatInt(length, 10)}})
	}
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		if name != "Transfer-Encoding" && name != "Connection" && (isNamed || name != "Content-Length") {
			fields = append(fields, field{name, values})
		}
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })

	minor := byte('1')
	if !r.ProtoAtLeast(1, 1) {
		minor = '0'
	}
	reason := http.StatusText(status)
	if reason == "" {
		reason = "Status" // libmms wants a phrase after the code (wire digest 1.4)
	}
	b = slices.Grow(b, usualHead)
	b = append(append(b, "HTTP/1."...), minor, ' ')
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), reason...), "\r\n"...)
	for _, f := range fields {
		for _, v := range f.values {
			b = append(append(append(append(b, f.name...), ": "...), v...), "\r\n"...)
		}
	}
	return append(b, "\r\n"...)
}
