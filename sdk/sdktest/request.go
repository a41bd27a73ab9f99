package sdktest

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// request fills an HTTP_REQUEST from the lines of a request's head, as the host would:
// Host is taken out of the fields' list only by meaning, not removed.
func request(q *abi.HTTPRequest, raw []string) error {
	if len(raw) == 0 {
		return nil
	}
	first := strings.Fields(raw[0])
	if len(first) != 3 {
		return fmt.Errorf("%q is no request line", raw[0])
	}
	q.Method = []byte(first[0])
	path, query, _ := strings.Cut(first[1], "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return fmt.Errorf("request target: %w", err)
	}
	q.Path, q.Query = []byte(decoded), []byte(query)
	switch first[2] {
	case "HTTP/1.0":
		q.Proto = 10
	case "HTTP/1.1":
		q.Proto = 11
	default:
		return fmt.Errorf("%q is neither HTTP/1.0 nor HTTP/1.1", first[2])
	}
	for _, text := range raw[1:] {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return fmt.Errorf("%q is no header field", text)
		}
		value = strings.TrimSpace(value)
		q.Fields.Add([]byte(name), []byte(value))
		if err := meaning(q, strings.ToLower(name), value); err != nil {
			return err
		}
	}
	if q.Body == abi.BodyNone && takesBody(first[0]) {
		q.Body = abi.BodyToClose // RFC 9112 6.3 says "none"; icecast pushes mean this
	}
	return nil
}

func meaning(q *abi.HTTPRequest, name, value string) (err error) {
	switch name {
	case "host":
		q.Host = []byte(value)
	case "content-length":
		if q.Body == abi.BodyNone {
			q.Body = abi.BodyLength
		}
		q.Length, err = strconv.ParseUint(value, 10, 64)
	case "transfer-encoding":
		q.Body = abi.BodyChunked
	case "expect":
		q.Expect = 1
	}
	return err
}

func takesBody(method string) bool { return method == "POST" || method == "PUT" || method == "SOURCE" }
