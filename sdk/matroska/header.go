package matroska

import (
	"bytes"
	"errors"
)

// Header is what a player is told before the first cluster: the EBML header, and Info and
// Tracks of the segment. Its strings are views of the bytes that it was read from.
type Header struct {
	DocType []byte // "webm" or "matroska"
	Scale   uint64 // nanoseconds of a tick, 1 to maxScale
	Video   uint64 // the first track of pictures; 0: none
	Tracks  int
}

// Errors of ParseHeader.
var (
	ErrDocType  = errors.New("the EBML document is neither webm nor matroska")
	ErrNoTracks = errors.New("the header names no track")
	ErrScale    = errors.New("the header's TimestampScale makes no sense")
)

const (
	defaultScale = 1_000_000     // RFC 9559 5.1.2.9
	maxScale     = 1_000_000_000 // chosen: a tick of a second
	typeVideo    = 1             // RFC 9559 5.1.4.1.3
)

// ParseHeader reads a header: an EBML header, the head of a Segment, and some of its
// elements, whole. Those that it does not know do not matter.
func ParseHeader(b []byte) (h Header, err error) {
	h.Scale = defaultScale
	for len(b) > 0 {
		if e, need, err := ParseElement(b); err == nil && need == 0 && e.ID == IDSegment {
			b = b[e.Head:]
			continue
		}
		e, body, rest, ok := Next(b)
		if !ok {
			return Header{}, ErrSyntax
		}
		switch e.ID {
		case IDEBML:
			h.DocType = child(body, IDDocType)
		case IDInfo:
			if scale := child(body, IDTimestampScale); scale != nil {
				if h.Scale, ok = Unsigned(scale); !ok || h.Scale == 0 || h.Scale > maxScale {
					return Header{}, ErrScale
				}
			}
		case IDTracks:
			h.tracks(body)
		}
		b = rest
	}
	switch {
	case string(h.DocType) != "webm" && string(h.DocType) != "matroska":
		return Header{}, ErrDocType
	case h.Tracks == 0:
		return Header{}, ErrNoTracks
	}
	return h, nil
}

func (h *Header) tracks(b []byte) {
	for {
		e, body, rest, ok := Next(b)
		if !ok {
			return
		}
		if b = rest; e.ID != idTrackEntry {
			continue
		}
		h.Tracks++
		if kind, _ := Unsigned(child(body, idTrackType)); kind == typeVideo && h.Video == 0 {
			h.Video, _ = Unsigned(child(body, idTrackNumber))
		}
	}
}

// child finds the first child with an ID; nil if there is none. A string's padding is
// taken off with the body of DocType in mind (RFC 8794 7.4: zero bytes end a string).
func child(b []byte, id uint32) []byte {
	for {
		e, body, rest, ok := Next(b)
		switch {
		case !ok:
			return nil
		case e.ID == id && id == IDDocType:
			return bytes.TrimRight(body, "\x00")
		case e.ID == id:
			return body
		}
		b = rest
	}
}

// MediaType names what a header announces (RFC 9559 27.3; the WebM guidelines).
func (h *Header) MediaType() string {
	switch isWebM := string(h.DocType) == "webm"; {
	case isWebM && h.Video != 0:
		return "video/webm"
	case isWebM:
		return "audio/webm"
	case h.Video != 0:
		return "video/matroska"
	}
	return "audio/matroska"
}

// MediaType is that of the header in b; empty if there is none.
func MediaType(b []byte) string {
	h, err := ParseHeader(b)
	if err != nil {
		return ""
	}
	return h.MediaType()
}

// segmentHead opens a Segment of unknown size.
const segmentHead = "\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF"

// AppendSegment appends the head of a Segment that has no end.
func AppendSegment(b []byte) []byte { return append(b, segmentHead...) }

// ClusterHead is the length of what AppendCluster appends, in bytes.
const ClusterHead = 4 + 8 + 2 + 8

// AppendCluster appends the head of a Cluster of unknown size and its Timestamp.
func AppendCluster(b []byte, timestamp uint64) []byte {
	b = append(b, "\x1F\x43\xB6\x75\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xE7\x88"...)
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(timestamp>>shift))
	}
	return b
}

// AppendInfo appends an Info with the children of body that hold for a live stream. ok is
// false where body is damaged.
func AppendInfo(b, body []byte) (_ []byte, ok bool) {
	b = append(b, "\x15\x49\xA9\x66\x10\x00\x00\x00"...) // a size of four bytes
	at := len(b)
	for len(body) > 0 {
		e, _, rest, ok := Next(body)
		if !ok {
			return b, false
		}
		if !isForFiles(e.ID) {
			b = append(b, body[:len(body)-len(rest)]...)
		}
		body = rest
	}
	n := len(b) - at
	b[at-4], b[at-3], b[at-2], b[at-1] = 0x10|byte(n>>24)&0x0F, byte(n>>16), byte(n>>8), byte(n)
	return b, n < 1<<28-1
}

func isForFiles(id uint32) bool {
	switch id {
	case idDuration, idSegmentUUID, idSegmentFilename, idPrevUUID, idPrevFilename, idNextUUID, idNextFilename,
		idSegmentFamily, idChapterTranslate, IDVoid, IDCRC:
		return true
	}
	return false
}

// Compatible tells whether a decoder that was set up by header a can go on with what
// follows header b: the same kind of document, ticks and tracks. Names and identities of
// tracks do not count, since encoders make them anew each time.
func Compatible(a, b []byte) bool {
	x, errX := ParseHeader(a)
	y, errY := ParseHeader(b)
	return errX == nil && errY == nil && bytes.Equal(x.DocType, y.DocType) && x.Scale == y.Scale &&
		bytes.Equal(essence(a), essence(b))
}

// essence lists what of the tracks counts.
func essence(b []byte) (out []byte) {
	for len(b) > 0 {
		if e, need, err := ParseElement(b); err == nil && need == 0 && e.ID == IDSegment {
			b = b[e.Head:]
			continue
		}
		e, body, rest, ok := Next(b)
		if !ok {
			return out
		}
		if b = rest; e.ID == IDTracks {
			out = essentials(out, body, true)
		}
	}
	return out
}

func essentials(out, b []byte, entries bool) []byte {
	for {
		e, body, rest, ok := Next(b)
		switch {
		case !ok:
			return append(out, b...)
		case e.ID == idTrackEntry && entries:
			out = essentials(append(out, idTrackEntry), body, false)
		case e.ID != idTrackUID && e.ID != idTrackName && e.ID != IDVoid && e.ID != IDCRC:
			out = append(out, b[:len(b)-len(rest)]...)
		}
		b = rest
	}
}
