package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/ogg"
)

// state is a session's memory. The zero value stands before PUBLISHED.
type state struct {
	known   bool   // this session has published a header
	media   bool   // pages of media come; before, pages of header
	mark    bool   // the next packet is flagged as a discontinuity
	dropped uint32 // bytes of media that came before a header was whole
	clock   clock
	streams []logical
	header  []byte // in force
	build   []byte // that is being read
}

// logical is one logical stream of the chain that is being read.
type logical struct {
	serial uint32 // as it comes in
	out    uint32 // as it goes out: that of the header in force
	wait   uint16 // packets of header to come; ogg.UnknownHeaders: until the first granule
	timing ogg.Timing
	shift  int64 // granules that are added
	end    int64 // time at the end of its last page as it came in, in ns; none: no page came
}

const none = -1

// maxHeader bounds a header, in bytes: the one in force and the one that is being read
// share the state with the rest of it. Chosen: four streams of Vorbis.
const maxHeader = 28 << 10

// maxDropped bounds the media that is left out while a header is awaited, in bytes: headers
// come before all media (RFC 3533 4), so what is this late does not come. Chosen: half a
// minute of good sound, a second or more of pictures.
const maxDropped = 1 << 20

const (
	bitKnown = 1 << iota
	bitMedia
	bitMark
	bitStarted
	bitPending
)

// Sizes in the blob, in bytes: of all but streams and headers, and of a stream.
const (
	fixedSize   = 1 + 1 + 2 + 4 + 4 + clockSize
	logicalSize = 6*4 + 2*8
)

// AppendState packs bits, the number of streams, the length of the header in force
// (little-endian, as all numbers), what was dropped, the clock, the streams and the two headers.
func (s *state) AppendState(b []byte) []byte {
	if !s.known && !s.media && len(s.streams) == 0 && len(s.header) == 0 && s.clock == (clock{}) {
		return b
	}
	bits := flag(s.known, bitKnown) | flag(s.media, bitMedia) | flag(s.mark, bitMark) |
		flag(s.clock.started, bitStarted) | flag(s.clock.pending, bitPending)
	b = append(b, bits, byte(len(s.streams)), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.header)))
	b = binary.LittleEndian.AppendUint32(b, s.dropped)
	b = s.clock.append(b)
	for i := range s.streams {
		b = s.streams[i].append(b)
	}
	b = append(b, s.header...)
	return append(b, s.build...)
}

func (l *logical) append(b []byte) []byte {
	t := &l.timing
	for _, n := range [...]uint32{l.serial, l.out, uint32(l.wait)<<16 | uint32(t.Codec)<<8 | uint32(t.Shift), uint32(t.Headers)<<16 | uint32(t.Skip), t.Num, t.Den} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(l.shift))
	return binary.LittleEndian.AppendUint64(b, uint64(l.end))
}

func (l *logical) read(b []byte) {
	le, t := binary.LittleEndian, &l.timing
	l.serial, l.out = le.Uint32(b), le.Uint32(b[4:])
	n := le.Uint32(b[8:])
	l.wait, t.Codec, t.Shift = uint16(n>>16), ogg.Codec(n>>8), uint8(n)
	n = le.Uint32(b[12:])
	t.Headers, t.Skip = uint16(n>>16), uint16(n)
	t.Num, t.Den = le.Uint32(b[16:]), le.Uint32(b[20:])
	l.shift, l.end = int64(le.Uint64(b[24:])), int64(le.Uint64(b[32:]))
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// ReadState unpacks what AppendState packed.
func (s *state) ReadState(blob []byte) error {
	if len(blob) < fixedSize || blob[1] > ogg.MaxStreams {
		return abi.EINVAL
	}
	bits, count := blob[0], int(blob[1])
	n := binary.LittleEndian.Uint32(blob[4:])
	at := fixedSize + count*logicalSize
	if len(blob) < at || uint64(n) > uint64(len(blob)-at) {
		return abi.EINVAL
	}
	s.known, s.media, s.mark = bits&bitKnown != 0, bits&bitMedia != 0, bits&bitMark != 0
	s.clock.started, s.clock.pending = bits&bitStarted != 0, bits&bitPending != 0
	s.dropped = binary.LittleEndian.Uint32(blob[8:])
	s.clock.read(blob[12:])
	s.streams = make([]logical, count)
	for i := range s.streams {
		s.streams[i].read(blob[fixedSize+i*logicalSize:])
	}
	s.header = append(s.header[:0], blob[at:at+int(n)]...)
	s.build = append(s.build[:0], blob[at+int(n):]...)
	return nil
}
