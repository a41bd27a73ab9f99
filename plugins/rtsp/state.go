package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// mode is what a connection has turned out to be for.
type mode uint8

const (
	modeNone   mode = iota
	modePlay        // a SETUP for playing was answered
	modeRecord      // ANNOUNCE was taken
	modes
)

// kind is which request is pending: one that needs the host's consent, and is answered
// once that is known.
type kind uint8

const (
	kindNone kind = iota
	kindDescribe
	kindSetup
	kindPlay
	kindDescribeTracks
	kindOptions

	kindRecord      kind = 16 // from here on the recording half's
	kindSetupRecord kind = 17
	kindAnnounce    kind = 18
)

// pending is the request that is being answered. While there is one, no other is read.
type pending struct {
	kind    kind
	hasCSeq bool
	cseq    uint64
	end     uint64 // offset behind it; its last byte is not consumed before the answer
}

// state is a session's memory: of a connection, or of a packager. The zero value stands
// before CONN_OPEN or PACKAGE.
type state struct {
	isOpen  bool
	secure  bool // over TLS
	mode    mode
	local   []byte // the address that the peer has connected to
	point   []byte // name
	base    []byte // the URL as the peer wrote it, ending in "/"
	id      uint64 // of the RTSP session; 0: none yet
	seen    int64  // when the peer last gave a sign, ns of the host's monotonic clock
	pending pending
	play    play
	rec     recording
	pack    packing
}

// ensureID gives the session an id that others cannot guess (RFC 2326 3.4).
func (s *state) ensureID(entropy *[16]byte) {
	if s.id == 0 {
		s.id = max(1, binary.LittleEndian.Uint64(entropy[:]))
	}
}

// end closes the session with all that it holds, of which nothing is remembered.
func (s *state) end(v *sdk.Verdicts, how abi.CloseMode, why string) {
	v.Close(0, how, why)
	*s = state{}
}

const (
	bitOpen = 1 << iota
	bitSecure
	bitCSeq
	bitPack
	bitsAll = 1<<iota - 1
)

// AppendState packs bits, mode and pending kind; the pending request, id and seen; three
// strings; then what is kept for playing and for recording. A packager's is its own.
func (s *state) AppendState(b []byte) []byte {
	if s.pack.ssrc != 0 {
		return s.pack.appendTo(append(b, bitPack))
	}
	if !s.isOpen {
		return b
	}
	bits := byte(bitOpen)
	if s.secure {
		bits |= bitSecure
	}
	if s.pending.hasCSeq {
		bits |= bitCSeq
	}
	le := binary.LittleEndian
	b = append(b, bits, byte(s.mode), byte(s.pending.kind))
	b = le.AppendUint64(b, s.pending.cseq)
	b = le.AppendUint64(b, s.pending.end)
	b = le.AppendUint64(b, s.id)
	b = le.AppendUint64(b, uint64(s.seen))
	for _, text := range [...][]byte{s.local, s.point, s.base} {
		b = appendText(b, text)
	}
	b = s.play.appendTo(b)
	return s.rec.appendTo(b)
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) == 0 || blob[0] > bitsAll {
		return abi.EINVAL
	}
	if blob[0] == bitPack {
		return s.pack.readFrom(blob[1:])
	}
	const fixed = 3 + 4*8
	if len(blob) < fixed || blob[0]&bitOpen == 0 || blob[0]&bitPack != 0 || mode(blob[1]) >= modes {
		return abi.EINVAL
	}
	le := binary.LittleEndian
	s.isOpen, s.secure = true, blob[0]&bitSecure != 0
	s.mode = mode(blob[1])
	s.pending = pending{kind: kind(blob[2]), hasCSeq: blob[0]&bitCSeq != 0, cseq: le.Uint64(blob[3:]), end: le.Uint64(blob[11:])}
	s.id, s.seen = le.Uint64(blob[19:]), int64(le.Uint64(blob[27:]))
	var err error
	rest := blob[fixed:]
	for _, text := range [...]*[]byte{&s.local, &s.point, &s.base} {
		if *text, rest, err = readText(*text, rest); err != nil {
			return err
		}
	}
	if rest, err = s.play.readFrom(rest); err != nil {
		return err
	}
	if rest, err = s.rec.readFrom(rest); err != nil {
		return err
	}
	if len(rest) > 0 {
		return abi.EINVAL
	}
	return nil
}

// appendText appends a text of at most 64 KiB with its length.
func appendText(b, text []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// readText sets dst to a text that appendText wrote.
func readText(dst, b []byte) (text, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, abi.EINVAL
	}
	n := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; n > len(b) {
		return nil, nil, abi.EINVAL
	}
	return append(dst[:0], b[:n]...), b[n:], nil
}
