package manifest

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const pointMark = "{point}"

// Path is a pattern for the decoded path of a request: a literal, or one {point} between a literal prefix and suffix. The zero value matches nothing.
// Paths are comparable with ==.
type Path struct {
	prefix, suffix string
	point          bool
}

// ParsePath reads a pattern: "/hello", "/{point}", "/{point}.ts", "/x/{point}/y".
func ParsePath(s string) (Path, error) {
	if !strings.HasPrefix(s, "/") {
		return Path{}, fmt.Errorf("path %q does not begin with '/'; write for example \"/{point}\"", s)
	}
	if len(s) > maxPathBytes {
		return Path{}, fmt.Errorf("path has %d bytes; at most %d", len(s), maxPathBytes)
	}
	prefix, suffix, point := strings.Cut(s, pointMark)
	literal := prefix + suffix
	switch {
	case strings.ContainsAny(literal, "{}"):
		return Path{}, fmt.Errorf("path %q has braces other than one {point}; a path holds {point} at most once and nothing else in braces", s)
	case strings.ContainsAny(literal, "?#*"):
		return Path{}, fmt.Errorf("path %q holds '?', '#' or '*'; a path is literal apart from {point}", s)
	case !printable(literal):
		return Path{}, fmt.Errorf("path %q holds white space or control characters; write it as it is after percent-decoding, without them", s)
	case hasDotDot(literal):
		return Path{}, fmt.Errorf("path %q climbs with '..'; write the path itself", s)
	case point && !strings.HasSuffix(prefix, "/"):
		return Path{}, fmt.Errorf("path %q has no '/' right before {point}; a point's name begins a path segment", s)
	}
	return Path{prefix, suffix, point}, nil
}

// maxPathBytes bounds a pattern. Chosen: far above any real one, far below a request head.
const maxPathBytes = 512

// MustPath is ParsePath for literals in code and tests; it panics on a bad one.
func MustPath(s string) Path {
	p, err := ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// String writes the pattern as ParsePath reads it.
func (p Path) String() string {
	if !p.point {
		return p.prefix
	}
	return p.prefix + pointMark + p.suffix
}

// Literal tells that the pattern holds no {point}.
func (p Path) Literal() bool { return !p.point }

// Match tells whether a decoded request path fits, and which point it names ("" for a literal). A path whose point could not be a point's name does not fit.
func (p Path) Match(path string) (point string, ok bool) {
	if !p.point {
		return "", p.prefix != "" && path == p.prefix
	}
	rest, ok := strings.CutPrefix(path, p.prefix)
	if !ok {
		return "", false
	}
	point, ok = strings.CutSuffix(rest, p.suffix)
	if !ok || CheckPointName(point) != nil {
		return "", false
	}
	return point, true
}

// Expand writes the path of a point; a literal stays as it is.
func (p Path) Expand(point string) string {
	if !p.point {
		return p.prefix
	}
	return p.prefix + point + p.suffix
}

// CheckPointName tells why s cannot be the name of a point, or nil.
func CheckPointName(s string) error {
	switch {
	case s == "":
		return errors.New("the name is empty")
	case strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/"):
		return errors.New("the name begins or ends with '/'")
	case hasDotDot(s):
		return errors.New("the name holds '..'")
	case !utf8.ValidString(s):
		return errors.New("the name is not UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("the name holds a control character")
	}
	return nil
}

func hasDotDot(s string) bool { return strings.Contains(s, "..") }

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
}
