package main

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

var le = binary.LittleEndian

// Bytes of an envelope (MS-MMSP 2.2.3, wire digest §4.1). A message stands behind it and
// begins with its length in chunks of eight bytes and its kind.
const (
	lengthAt   = 8  // u32: bytes of all that follows the first 16
	sealAt     = 12 // "MMS "
	chunksAt   = 16 // u32: as lengthAt, in chunks
	sequenceAt = 20 // u16
	messageAt  = 32 // u32: bytes of the message in chunks
	kindAt     = 36 // u16: which message; u16: direction
	fieldsAt   = 40

	uncounted = 16 // bytes that the length at lengthAt leaves out
)

// maxMessage is the longest envelope with its message that is read, in bytes. Chosen: twice
// what a URL of 2,083 characters takes, the longest that players' programs knew.
const maxMessage = 8 << 10

// Directions of a message: the upper half of its kind.
const (
	fromPlayer = 3
	toPlayer   = 4
)

// kind tells messages of one direction apart (MS-MMSP 2.2.4, wire digest §4.2).
type kind uint16

// What players send.
const (
	viewerConnect kind = 0x01
	connectFunnel kind = 0x02
	openFile      kind = 0x05
	startPlaying  kind = 0x07
	stopPlaying   kind = 0x09
	closeFile     kind = 0x0D
	readBlock     kind = 0x15
	funnelInfo    kind = 0x18
	viewerPong    kind = 0x1B
	streamSwitch  kind = 0x33
)

// What is sent to them.
const (
	reportConnected    kind = 0x01
	reportFunnel       kind = 0x02
	reportNoFunnel     kind = 0x03
	reportStarted      kind = 0x05
	reportOpenFile     kind = 0x06
	reportReadBlock    kind = 0x11
	reportFunnelInfo   kind = 0x15
	serverPing         kind = 0x1B
	reportEnd          kind = 0x1E
	reportStreamChange kind = 0x20
	reportStreamSwitch kind = 0x21
)

// signature is what every envelope begins with; the eight bytes by which a listener knows
// the protocol (wire digest §7.1). The last is the length's first that counts.
const signature = "\x01\x00\x00\x00\xCE\xFA\x0B\xB0"

const seal = "MMS "

// What is wrong with a player's bytes.
var (
	errSignature = errors.New("bytes that are no MMS message: they do not begin with 01 00 00 00 ce fa 0b b0")
	errLength    = errors.New("an MMS message of impossible length")
	errSeal      = errors.New("an MMS message without its seal")
	errDirection = errors.New("an MMS message that only servers send")
)

// message is one of a player's, with its envelope. Its bytes are a view of what it was
// parsed from.
type message struct {
	kind kind
	b    []byte
}

// parse reads the message at the start of b. While need is not 0 it wants that many bytes
// in all. Sequence numbers and the lengths in chunks are not looked at: players count
// and pad each in their own way.
func parse(b []byte) (m message, need int, err error) {
	if n := min(len(b), len(signature)); string(b[:n]) != signature[:n] {
		return m, 0, errSignature
	}
	if len(b) < sealAt {
		return m, sealAt, nil
	}
	length := le.Uint32(b[lengthAt:])
	if length < fieldsAt-uncounted || length > maxMessage-uncounted {
		return m, 0, errLength
	}
	size := int(length) + uncounted
	if len(b) < size {
		return m, size, nil
	}
	switch {
	case string(b[sealAt:chunksAt]) != seal:
		return m, 0, errSeal
	case le.Uint16(b[kindAt+2:]) != fromPlayer:
		return m, 0, errDirection
	}
	return message{kind(le.Uint16(b[kindAt:])), b[:size]}, 0, nil
}

// u32 is the field at an offset from the envelope's start; 0 if the message is shorter.
func (m *message) u32(at int) uint32 {
	if at+4 > len(m.b) {
		return 0
	}
	return le.Uint32(m.b[at:])
}

// appendText appends the text at an offset, UTF-16 up to a NUL or the message's end, as
// UTF-8.
func (m *message) appendText(dst []byte, at int) []byte {
	for ; at+2 <= len(m.b); at += 2 {
		r := rune(le.Uint16(m.b[at:]))
		if r == 0 {
			break
		}
		if utf16.IsSurrogate(r) && at+4 <= len(m.b) {
			if pair := utf16.DecodeRune(r, rune(le.Uint16(m.b[at+2:]))); pair != utf8.RuneError {
				r = pair
				at += 2
			}
		}
		dst = utf8.AppendRune(dst, r) // a lone surrogate becomes U+FFFD
	}
	return dst
}

// mostReply is what the longest answer takes, in bytes: ReportOpenFile.
const mostReply = 160

// reply builds one message to a player. A value has one use.
type reply struct {
	b [mostReply]byte
	n int
}

// begin starts a message; sequence counts those of a connection.
func begin(k kind, sequence uint16) (r reply) {
	copy(r.b[:], signature)
	copy(r.b[sealAt:], seal)
	le.PutUint16(r.b[sequenceAt:], sequence)
	le.PutUint16(r.b[kindAt:], uint16(k))
	le.PutUint16(r.b[kindAt+2:], toPlayer)
	r.n = fieldsAt
	return r
}

func (r *reply) u32(fields ...uint32) {
	for _, f := range fields {
		le.PutUint32(r.b[r.n:], f)
		r.n += 4
	}
}

func (r *reply) u64(f uint64) {
	le.PutUint64(r.b[r.n:], f)
	r.n += 8
}

// zeros leaves bytes as they are.
func (r *reply) zeros(n int) { r.n += n }

// text adds ASCII as UTF-16 with a NUL.
func (r *reply) text(s string) {
	for i := range len(s) {
		r.b[r.n] = s[i]
		r.n += 2
	}
	r.n += 2
}

// chunk is what messages are padded to.
const chunk = 8

// bytes pads the message, writes its lengths and gives it as a view of r.
func (r *reply) bytes() []byte {
	r.n = (r.n + chunk - 1) / chunk * chunk
	le.PutUint32(r.b[lengthAt:], uint32(r.n-uncounted))
	le.PutUint32(r.b[chunksAt:], uint32(r.n/chunk))
	le.PutUint32(r.b[messageAt:], uint32((r.n-messageAt)/chunk))
	return r.b[:r.n]
}
