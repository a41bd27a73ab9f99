package httptext

import "bytes"

// root is shared by all callers of SplitTarget, which must not write to views.
var root = []byte{'/'}

// SplitTarget splits a request target into path and query, both still encoded. Of the
// absolute form, as `rtsp://host/path?query`, scheme and authority are cut; an empty
// path becomes "/". The target "*" is a path.
func SplitTarget(target []byte) (path, query []byte) {
	if i := bytes.IndexByte(target, '#'); i >= 0 {
		target = target[:i]
	}
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target, query = target[:i], target[i+1:]
	}
	if i := index(target, "://"); i > 0 && isToken(target[:i]) {
		target = target[i+3:]
		i = bytes.IndexByte(target, '/')
		if i < 0 {
			i = len(target)
		}
		target = target[i:]
	}
	if len(target) == 0 {
		return root, query
	}
	return target, query
}

// NextQuery returns the next `name=value` of a query, still encoded, and what follows
// it. Empty members are skipped.
func NextQuery(query []byte) (name, value, rest []byte, ok bool) {
	for len(query) > 0 {
		member := query
		if i := bytes.IndexByte(query, '&'); i >= 0 {
			member, query = query[:i], query[i+1:]
		} else {
			query = nil
		}
		if len(member) == 0 {
			continue
		}
		if i := bytes.IndexByte(member, '='); i >= 0 {
			return member[:i], member[i+1:], query, true
		}
		return member, nil, query, true
	}
	return nil, nil, nil, false
}

// Unescape resolves the percent escapes of b (RFC 3986 2.1) in place, and gives the part of b
// that is left. What only looks like one stays, as with players who escape nothing.
func Unescape(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			hi, ok1 := nibble(b[i+1])
			lo, ok2 := nibble(b[i+2])
			if ok1 && ok2 {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// AppendDecoded appends a path with its percent escapes resolved (RFC 3986 2.1). On
// ErrEscape dst comes back as it was. Dot segments and plus signs stay as they are.
func AppendDecoded(dst, path []byte) ([]byte, error) {
	old := len(dst)
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return append(dst, path...), nil
		}
		dst = append(dst, path[:i]...)
		if len(path) < i+3 {
			return dst[:old], ErrEscape
		}
		hi, ok1 := nibble(path[i+1])
		lo, ok2 := nibble(path[i+2])
		if c := hi<<4 | lo; ok1 && ok2 && c != 0 {
			dst = append(dst, c)
			path = path[i+3:]
			continue
		}
		return dst[:old], ErrEscape
	}
}
