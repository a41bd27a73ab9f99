package matroska

import (
	"errors"
	"math/bits"
)

// IDs of elements, marker bits included (RFC 8794 11, RFC 9559 5.1).
const (
	IDEBML           = 0x1A45DFA3
	IDDocType        = 0x4282
	IDVoid           = 0xEC
	IDCRC            = 0xBF
	IDSegment        = 0x18538067
	IDInfo           = 0x1549A966
	IDTimestampScale = 0x2AD7B1
	IDTracks         = 0x1654AE6B
	IDCluster        = 0x1F43B675
	IDTimestamp      = 0xE7
	IDPosition       = 0xA7
	IDPrevSize       = 0xAB
	IDSimpleBlock    = 0xA3
	IDBlockGroup     = 0xA0
	IDBlock          = 0xA1
	IDReferenceBlock = 0xFB

	idTrackEntry  = 0xAE
	idTrackNumber = 0xD7
	idTrackUID    = 0x73C5
	idTrackType   = 0x83
	idTrackName   = 0x536E
)

// What of Info is of no use in a stream that has no end, no other segments and another
// identity each time (RFC 9559 5.1.2).
const (
	idDuration         = 0x4489
	idSegmentUUID      = 0x73A4
	idSegmentFilename  = 0x7384
	idPrevUUID         = 0x3CB923
	idPrevFilename     = 0x3C83AB
	idNextUUID         = 0x3EB923
	idNextFilename     = 0x3E83BB
	idSegmentFamily    = 0x4444
	idChapterTranslate = 0x6924
)

// ErrSyntax says that bytes are no element.
var ErrSyntax = errors.New("no EBML element stands there")

// Lengths of the parts of an element's head, in bytes, at most (RFC 8794 11.2.4, 11.2.5:
// the defaults of EBMLMaxIDLength and EBMLMaxSizeLength, which Matroska keeps).
const (
	maxIDSize   = 4
	maxSizeSize = 8
	// MaxHead is the longest head of an element, in bytes.
	MaxHead = maxIDSize + maxSizeSize
)

// Element is an element's head. The zero value is none.
type Element struct {
	ID      uint32
	Head    int    // bytes of the head
	Size    uint64 // bytes of the body, below 2^56; 0 if Unknown
	Unknown bool   // the body ends where an element of its own level or above begins (RFC 8794 6.2)
}

// ParseElement reads the head of the element at the start of b. While need is not 0 it
// wants that many more bytes.
func ParseElement(b []byte) (e Element, need int, err error) {
	if len(b) == 0 {
		return e, 1, nil
	}
	n := bits.LeadingZeros8(b[0]) + 1
	if n > maxIDSize {
		return e, 0, ErrSyntax
	}
	if len(b) <= n {
		return e, n + 1 - len(b), nil
	}
	for _, c := range b[:n] {
		e.ID = e.ID<<8 | uint32(c)
	}
	size, m, need := vint(b[n:])
	switch {
	case m == 0:
		return Element{}, 0, ErrSyntax
	case need > 0:
		return Element{}, need, nil
	}
	if e.Head = n + m; size == 1<<(7*m)-1 { // RFC 8794 6.2: all bits set
		e.Unknown = true
	} else {
		e.Size = size
	}
	return e, 0, nil
}

// vint reads a number of variable size (RFC 8794 4) and says how many bytes it takes, 0
// if it is none.
func vint(b []byte) (value uint64, n, need int) {
	if len(b) == 0 {
		return 0, 1, 1
	}
	n = bits.LeadingZeros8(b[0]) + 1
	switch {
	case n > maxSizeSize:
		return 0, 0, 0
	case len(b) < n:
		return 0, n, n - len(b)
	}
	value = uint64(b[0]) & (1<<(8-n) - 1)
	for _, c := range b[1:n] {
		value = value<<8 | uint64(c)
	}
	return value, n, 0
}

// Next takes the whole element at the start of b off it. ok is false at the end of b, and
// where none stands or one does not end within b; then rest is b.
func Next(b []byte) (e Element, body, rest []byte, ok bool) {
	e, need, err := ParseElement(b)
	if err != nil || need > 0 || e.Unknown || e.Size > uint64(len(b)-e.Head) {
		return Element{}, nil, b, false
	}
	end := e.Head + int(e.Size)
	return e, b[e.Head:end], b[end:], true
}

// Unsigned reads the body of an unsigned integer (RFC 8794 7.2). ok is false where it has
// more than 8 bytes.
func Unsigned(body []byte) (value uint64, ok bool) {
	if len(body) > 8 {
		return 0, false
	}
	for _, c := range body {
		value = value<<8 | uint64(c)
	}
	return value, true
}
