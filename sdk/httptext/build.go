package httptext

import "strconv"

// AppendField appends `Name: value` and a line end. If the name is no token or the
// value contains a control character other than a tab, so that it could begin a line
// of its own, it returns dst as it was and ErrField.
func AppendField[V ~string | ~[]byte](dst []byte, name string, value V) ([]byte, error) {
	if !isToken(name) || !isText(value) {
		return dst, ErrField
	}
	dst = append(append(dst, name...), ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...), nil
}

// AppendUintField is AppendField with a decimal number.
func AppendUintField(dst []byte, name string, n uint64) ([]byte, error) {
	if !isToken(name) {
		return dst, ErrField
	}
	dst = append(append(dst, name...), ": "...)
	return append(strconv.AppendUint(dst, n, 10), "\r\n"...), nil
}

// AppendStatus appends a status line such as `RTSP/1.0 200 OK`. Code has three digits;
// an empty reason leaves the blank before it, as RFC 9112 4 asks.
func AppendStatus(dst []byte, proto string, code int, reason string) ([]byte, error) {
	if code < 100 || code > 999 || !isText(proto) || !isText(reason) || proto == "" {
		return dst, ErrField
	}
	dst = append(append(dst, proto...), ' ')
	dst = append(strconv.AppendInt(dst, int64(code), 10), ' ')
	return append(append(dst, reason...), "\r\n"...), nil
}

// AppendQuoted appends a value in quotes, with quotes and backslashes escaped. Control
// characters are refused as by AppendField.
func AppendQuoted[V ~string | ~[]byte](dst []byte, v V) ([]byte, error) {
	if !isText(v) {
		return dst, ErrField
	}
	dst = append(dst, '"')
	for i := range len(v) {
		if v[i] == '"' || v[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, v[i])
	}
	return append(dst, '"'), nil
}
