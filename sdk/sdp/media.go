package sdp

import (
	"bytes"
	"math"

	"github.com/weir-media/weir/sdk/httptext"
)

// static are payload types with a meaning of their own (RFC 3551 6).
var static = [...]struct {
	kind     uint8
	encoding string
	rate     uint32
	channels uint8
}{
	{0, "PCMU", 8000, 1}, {3, "GSM", 8000, 1}, {4, "G723", 8000, 1}, {8, "PCMA", 8000, 1}, {9, "G722", 8000, 1},
	{10, "L16", 44100, 2}, {11, "L16", 44100, 1}, {14, "MPA", 90000, 0}, {26, "JPEG", 90000, 0}, {31, "H261", 90000, 0},
	{32, "MPV", 90000, 0}, {33, "MP2T", 90000, 0}, {34, "H263", 90000, 0},
}

// head reads `video 0 RTP/AVP 96` (RFC 4566 5.14).
func (m *Media) head(value []byte) bool {
	*m = Media{}
	var port, format []byte
	m.Kind, value = word(value)
	port, value = word(value)
	m.Protocol, value = word(value)
	format, _ = word(value)
	if i := bytes.IndexByte(port, '/'); i >= 0 { // number of ports
		port = port[:i]
	}
	n, ok := httptext.Uint(port)
	if !ok || n > math.MaxUint16 || len(format) == 0 {
		return false
	}
	m.Port = uint16(n)
	if n, ok = httptext.Uint(format); ok && n < 128 {
		m.Type, m.IsRTP = uint8(n), true
		for _, s := range static {
			if s.kind == m.Type {
				m.Encoding, m.Rate, m.Channels = []byte(s.encoding), s.rate, s.channels
			}
		}
	}
	return true
}

// word cuts the first word.
func word(b []byte) (first, rest []byte) {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], httptext.Trim(b[i:])
	}
	return b, nil
}

// attribute takes an a= line, of the last media or of the session.
func (d *Description) attribute(value []byte) {
	name, value, _ := bytes.Cut(value, []byte(":"))
	value = httptext.Trim(value)
	if d.count == 0 {
		if httptext.EqualFold(name, "control") {
			d.Control = value
		}
		return
	}
	m := &d.list[d.count-1]
	switch {
	case httptext.EqualFold(name, "control"):
		m.Control = value
	case httptext.EqualFold(name, "rtpmap"):
		if rest, ok := m.own(value); ok {
			m.mapping(rest)
		}
	case httptext.EqualFold(name, "fmtp"):
		if rest, ok := m.own(value); ok {
			m.Format = rest
		}
	}
}

// own tells whether an attribute is of the payload type, and gives what follows it.
func (m *Media) own(value []byte) (rest []byte, ok bool) {
	kind, rest := word(value)
	n, ok := httptext.Uint(kind)
	return rest, ok && m.IsRTP && n == uint64(m.Type)
}

// mapping reads `H264/90000` or `MPEG4-GENERIC/44100/2` (RFC 4566 6).
func (m *Media) mapping(b []byte) {
	name, rest, _ := bytes.Cut(b, []byte("/"))
	rate, channels, _ := bytes.Cut(rest, []byte("/"))
	m.Encoding, m.Rate, m.Channels = httptext.Trim(name), 0, 0
	if n, ok := httptext.Uint(httptext.Trim(rate)); ok && n <= math.MaxUint32 {
		m.Rate = uint32(n)
	}
	if n, ok := httptext.Uint(httptext.Trim(channels)); ok && n <= math.MaxUint8 {
		m.Channels = uint8(n)
	}
}

// Param finds a parameter of Format by its name, in any case: `mode=AAC-hbr;
// config=1208`. Its value has no blanks around it.
func (m *Media) Param(name string) (value []byte, ok bool) {
	for rest := m.Format; len(rest) > 0; {
		var p []byte
		p, rest, _ = bytes.Cut(rest, []byte(";"))
		key, v, _ := bytes.Cut(p, []byte("="))
		if httptext.EqualFold(httptext.Trim(key), name) {
			return httptext.Trim(v), true
		}
	}
	return nil, false
}
