package rtsp

import (
	"strconv"

	"github.com/weir-media/weir/sdk/httptext"
)

// Reason gives the phrase of a status code (7.1.1); empty for one that has none here.
func Reason(code int) string {
	for i := range reasons {
		if reasons[i].code == code {
			return reasons[i].phrase
		}
	}
	return ""
}

var reasons = [...]struct {
	code   int
	phrase string
}{
	{200, "OK"}, {302, "Moved Temporarily"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
	{405, "Method Not Allowed"}, {406, "Not Acceptable"}, {413, "Request Entity Too Large"},
	{415, "Unsupported Media Type"}, {451, "Parameter Not Understood"}, {453, "Not Enough Bandwidth"},
	{454, "Session Not Found"}, {455, "Method Not Valid in This State"}, {457, "Invalid Range"},
	{459, "Aggregate Operation Not Allowed"}, {460, "Only Aggregate Operation Allowed"},
	{461, "Unsupported Transport"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
	{503, "Service Unavailable"}, {505, "RTSP Version Not Supported"}, {551, "Option Not Supported"},
}

// AppendStatus appends a status line. A code of other than three digits becomes 500.
func AppendStatus(dst []byte, code int) []byte {
	if code < 100 || code > 999 {
		code = 500
	}
	dst = strconv.AppendInt(append(dst, "RTSP/1.0 "...), int64(code), 10)
	return append(append(append(dst, ' '), Reason(code)...), "\r\n"...)
}

// AppendField appends a header line, with its name as it is written: some players compare
// names with regard to case. A value that would break out of its line is left out with it.
func AppendField[V ~string | ~[]byte](dst []byte, name string, value V) []byte {
	dst, _ = httptext.AppendField(dst, name, value)
	return dst
}

// AppendUintField is AppendField with a decimal number.
func AppendUintField(dst []byte, name string, n uint64) []byte {
	dst, _ = httptext.AppendUintField(dst, name, n)
	return dst
}
