// Package sdp reads session descriptions (RFC 4566) as far as a server must that takes
// what they describe: the media, their formats and where each is controlled.
//
// It owns nothing and does no input or output. A text comes in; what goes out are views
// of it. It never keeps a slice beyond the text's life, reads texts of MaxSize bytes and
// MaxMedia media at most, and never panics, whatever the bytes are.
//
// Functions are safe for concurrent use.
package sdp

import (
	"bytes"
	"errors"

	"github.com/weir-media/weir/sdk/httptext"
)

// Carries begins the one line of the header of a rendition that is the media part of a
// description, where the point has nothing to describe: what it carries instead follows, or
// why that cannot be described. It is for no player: plugin rtsp refuses them with it.
const Carries = "a=x-carries:"

// Bounds of Parse.
const (
	MaxSize  = 64 << 10 // bytes of a description: chosen
	MaxMedia = 16       // m= lines: chosen
)

// Errors of Parse.
var (
	ErrNot   = errors.New("sdp: no session description: it must begin with v=0")
	ErrLarge = errors.New("sdp: the description has too many media, or bytes")
	ErrMedia = errors.New("sdp: an m= line is malformed")
)

// Description is what Parse has read. Its slices are views of the text.
type Description struct {
	Name    []byte // s=
	Control []byte // a=control of the session; nil if there is none
	list    [MaxMedia]Media
	count   int
}

// Media returns the media in their order, as a view of d.
func (d *Description) Media() []Media { return d.list[:d.count] }

// Media is one m= line with what follows it (RFC 4566 5.14).
type Media struct {
	Kind     []byte // video, audio, application, text, message
	Port     uint16
	Protocol []byte // RTP/AVP
	Type     uint8  // the first format, if it is a number below 128: the payload type
	IsRTP    bool   // Type is valid
	Encoding []byte // a=rtpmap of Type; of static types without one, the name of RFC 3551
	Rate     uint32 // of its clock, Hz; 0: unknown
	Channels uint8  // of sound; 0: not said
	Format   []byte // a=fmtp of Type, without the type; see Param
	Control  []byte // a=control
}

// Parse reads a description into d. Lines that are not understood are ignored, as RFC 4566
// 5 asks.
func Parse(b []byte, d *Description) error {
	*d = Description{}
	if len(b) > MaxSize {
		return ErrLarge
	}
	if !bytes.HasPrefix(b, []byte("v=0")) {
		return ErrNot
	}
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		value := httptext.Trim(line[2:])
		switch line[0] {
		case 's':
			d.Name = value
		case 'm':
			if d.count == MaxMedia {
				return ErrLarge
			}
			if !d.list[d.count].head(value) {
				return ErrMedia
			}
			d.count++
		case 'a':
			d.attribute(value)
		}
	}
	return nil
}

// nextLine cuts the first line; the last may lack its end (RFC 4566 5: be tolerant).
func nextLine(b []byte) (line, rest []byte) {
	line = b
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		line, rest = b[:i], b[i+1:]
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest
}
