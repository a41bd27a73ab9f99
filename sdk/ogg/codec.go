package ogg

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Codec is what a logical stream carries.
type Codec uint8

// Codecs. Streams of others are known by nothing but their serial number.
const (
	Other Codec = iota
	Vorbis
	Opus
	Theora
	FLAC
	Speex
)

// UnknownHeaders is the Headers of a stream that does not say how many it has: they are
// all packets up to the first page with a granule position above 0.
const UnknownHeaders = math.MaxUint16

// Timing is what the first packet of a logical stream says of it. The zero value is a
// stream of no known codec.
type Timing struct {
	Codec   Codec
	Shift   uint8  // Theora: granule positions count key frames above so many bits
	Headers uint16 // packets of header behind the first one
	Skip    uint16 // Opus: granules before time 0
	Num     uint32 // granules in Den seconds
	Den     uint32
}

// Identify reads the first packet of a logical stream. ok is false where its codec is not
// known, or it makes no sense.
func Identify(b []byte) (t Timing, ok bool) {
	le, be := binary.LittleEndian, binary.BigEndian
	switch {
	case len(b) >= 30 && string(b[:7]) == "\x01vorbis": // Vorbis I 4.2.1, 4.2.2
		t = Timing{Codec: Vorbis, Headers: 2, Num: le.Uint32(b[12:]), Den: 1}
	case len(b) >= 19 && string(b[:8]) == "OpusHead": // RFC 7845 5.1; granules are of 48 kHz (4)
		t = Timing{Codec: Opus, Headers: 1, Skip: le.Uint16(b[10:]), Num: 48_000, Den: 1}
	case len(b) >= 42 && string(b[:7]) == "\x80theora": // Theora 6.2
		t = Timing{Codec: Theora, Headers: 2, Num: be.Uint32(b[22:]), Den: be.Uint32(b[26:]), Shift: (b[40]&3)<<3 | b[41]>>5}
	case len(b) >= 51 && string(b[:5]) == "\x7FFLAC": // FLAC to Ogg mapping 1.0; STREAMINFO's rate has 20 bits (RFC 9639 8.2)
		t = Timing{Codec: FLAC, Headers: be.Uint16(b[7:]), Num: be.Uint32(b[27:]) >> 12, Den: 1}
		if t.Headers == 0 {
			t.Headers = UnknownHeaders
		}
	case len(b) >= 80 && string(b[:8]) == "Speex   ": // Speex manual 7.1: one comment, and extra headers
		t = Timing{Codec: Speex, Headers: 1 + uint16(min(le.Uint32(b[68:]), 16)), Num: le.Uint32(b[36:]), Den: 1}
	default:
		return Timing{}, false
	}
	return t, t.Num > 0 && t.Den > 0
}

// IsVideo tells pictures from sound.
func (t *Timing) IsVideo() bool { return t.Codec == Theora }

const nsPerSecond = 1_000_000_000

// maxSeconds bounds times, so that they fit 64 bits of ns. Chosen: 100 years.
const maxSeconds = 100 * 366 * 24 * 3600

// Nanoseconds gives the time at a granule position, from 0 to 100 years.
func (t *Timing) Nanoseconds(granule int64) int64 {
	if t.Shift > 0 { // Theora 7: the number of the last key frame, then of frames since
		granule = granule>>t.Shift + granule&(1<<t.Shift-1)
	}
	granule -= int64(t.Skip)
	if granule <= 0 || t.Num == 0 {
		return 0
	}
	// The whole seconds first: granule*Den may not fit.
	num, den := uint64(t.Num), uint64(t.Den)
	whole, rest := uint64(granule)/num, uint64(granule)%num
	if whole > maxSeconds/den {
		return maxSeconds * nsPerSecond
	}
	// rest < 2^32, den < 2^32: the product has 64 bits, in ns it would not.
	ticks := rest * den
	whole = whole*den + ticks/num
	if whole >= maxSeconds {
		return maxSeconds * nsPerSecond
	}
	return int64(whole*nsPerSecond + ticks%num*nsPerSecond/num)
}

// Granules gives how many granules a positive span of time has, rounded, ready to be added
// to a granule position.
func (t *Timing) Granules(ns int64) int64 {
	if ns <= 0 || t.Den == 0 {
		return 0
	}
	per := uint64(t.Den) * nsPerSecond // below 2^62
	at := uint64(min(ns, maxSeconds*nsPerSecond))
	hi, lo := bits.Mul64(at%per, uint64(t.Num))
	lo, carry := bits.Add64(lo, per/2, 0)
	part, _ := bits.Div64(hi+carry, lo, per) // at%per < per and Num < 2^32: the quotient fits
	return int64(at/per*uint64(t.Num)+part) << t.Shift
}

// IsKey tells whether a player may begin with a packet of media: any of sound, an intra
// frame of pictures (Theora 7.1: a bit that says data, then the frame's type).
func (t *Timing) IsKey(packet []byte) bool {
	return t.Codec != Theora || len(packet) > 0 && packet[0]&0xC0 == 0
}
