package rtp

import (
	"bytes"
	"encoding/binary"
)

// SoundCoding is what a SoundPacker reads.
type SoundCoding uint8

// Codings. The zero value reads nothing.
const (
	NoSound   SoundCoding = iota
	ADTS                  // AAC (ISO 14496-3 1.A.2.2), sent as RFC 3640, mode AAC-hbr
	MPEGAudio             // layers II and III, sent as RFC 2250
	soundCodings
)

const (
	samplesAAC = 1024
	mpaRate    = 90_000 // RFC 2250 3: the clock, whatever the sampling rate
	mpaHead    = 4      // bytes of a frame that say how long it is
	// soundSlack is how far times may be beside those that are counted and still go on
	// with them, 1/s. Chosen: 1/300 s; containers round times to 1/1000 s.
	soundSlack = 300
	maxSound   = 1<<13 - 1 // bytes of a frame (ISO 14496-3 1.A.2.2.1: 13 bits; others are shorter)
)

// SoundPacker cuts the sound of PES packets into frames and makes payloads of them: of AAC
// by RFC 3640, mode AAC-hbr, of MPEG audio by RFC 2250. Frames whose times follow one
// another go together as far as they fit; one that is longer than a packet is cut.
// Timestamps are those of the first frame, in the clock Rate.
//
// The zero value reads nothing; Coding is to be set. Begin tells the time of a PES packet,
// Write brings its bytes.
type SoundPacker struct {
	Coding SoundCoding
	// Changed is set when Rate, Channels or Config are new; whoever has taken note of them
	// clears it.
	Changed bool

	profile  uint8 // of AAC: audioObjectType less 1, as in an ADTS head
	index    uint8 // of AAC: sampling frequency index
	channels uint8
	timed    bool             // pts is that of the next frame that begins
	begun    bool             // at is that of the frame under way
	counted  bool             // next is valid
	pts, at  int64            // ticks of 90 kHz
	next     uint32           // when the next frame begins, in the clock
	first    uint32           // timestamp of the frames that wait
	count    uint8            // of frames that wait
	sizes    [maxUnits]uint16 // theirs, bytes
	units    []byte           // they themselves, of AAC without their heads
	frame    []byte           // the frame that is not complete
	payload  [MaxPayload]byte // scratch
}

// sampleRates are those of a sampling frequency index, Hz (ISO 14496-3 table 1.18).
var sampleRates = [13]uint32{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// Rate is the clock of timestamps, Hz; 0: not known yet.
func (k *SoundPacker) Rate() uint32 {
	switch {
	case k.channels == 0:
		return 0
	case k.Coding == MPEGAudio:
		return mpaRate
	}
	return sampleRates[k.index]
}

// Channels is how many there are; 0: not known yet.
func (k *SoundPacker) Channels() int {
	if k.channels == 7 {
		return 8 // ISO 14496-3 table 1.19
	}
	return int(k.channels)
}

// Config is the AudioSpecificConfig of AAC (ISO 14496-3 1.6.2.1).
func (k *SoundPacker) Config() [2]byte {
	return [2]byte{(k.profile+1)<<3 | k.index>>1, k.index<<7 | k.channels<<3}
}

// Learn takes over what another packer has found of the same stream's coding.
func (k *SoundPacker) Learn(from *SoundPacker) {
	if k.channels == 0 && from.channels != 0 {
		k.Coding, k.Changed = from.Coding, true
		k.profile, k.index, k.channels = from.profile, from.index, from.channels
	}
}

// Begin tells that the first frame that begins in what follows is heard at pts, ticks of
// 90 kHz. Frames that wait are sent.
func (k *SoundPacker) Begin(pts int64, to Packets) {
	k.Flush(to)
	k.timed, k.pts = true, pts
}

// Drop forgets the frame that is not complete: bytes are missing.
func (k *SoundPacker) Drop(to Packets) {
	k.Flush(to)
	k.frame, k.counted, k.timed, k.begun = k.frame[:0], false, false, false
}

// Write takes the next bytes.
func (k *SoundPacker) Write(b []byte, to Packets) {
	head := adtsSize
	if k.Coding == MPEGAudio {
		head = mpaHead
	}
	for len(b) > 0 && k.Coding != NoSound {
		if len(k.frame) < head {
			if len(k.frame) == 0 && b[0] != 0xFF { // both begin with eleven ones at least
				at := bytes.IndexByte(b, 0xFF)
				if at < 0 {
					return
				}
				b = b[at:]
			}
			if len(k.frame) == 0 && k.timed {
				k.timed, k.begun, k.at = false, true, k.pts
			}
			n := min(head-len(k.frame), len(b))
			k.frame = append(k.frame, b[:n]...)
			b = b[n:]
			for len(k.frame) == head && k.size() == 0 {
				k.resync()
			}
			continue
		}
		size := k.size()
		n := min(size-len(k.frame), len(b))
		k.frame = append(k.frame, b[:n]...)
		b = b[n:]
		if len(k.frame) == size {
			k.take(to)
			k.frame = k.frame[:0]
		}
	}
}

// resync throws away what is no head up to the next byte that may begin one.
func (k *SoundPacker) resync() {
	at := bytes.IndexByte(k.frame[1:], 0xFF)
	if at < 0 {
		k.frame = k.frame[:0]
		return
	}
	n := copy(k.frame, k.frame[1+at:])
	k.frame = k.frame[:n]
}

// size gives the length of the frame whose head is there, bytes; 0: it is no head, or of a
// frame that cannot be sent.
func (k *SoundPacker) size() int {
	h := k.frame
	if k.Coding == MPEGAudio {
		if n := mpegFrame(h); n > mpaHead && n <= maxSound {
			return n
		}
		return 0
	}
	n := int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5])>>5
	// 1.A.2.2: syncword and layer, one raw data block, a rate and channels that the head says.
	if h[0] != 0xFF || h[1]&0xF6 != 0xF0 || h[6]&3 != 0 || h[2]>>2&15 > 12 || h[2]&1<<2|h[3]>>6 == 0 || n <= k.adtsHead() {
		return 0
	}
	return n
}

// adtsHead is the length of the ADTS head with its checksum, bytes.
func (k *SoundPacker) adtsHead() int {
	if k.frame[1]&1 == 0 {
		return adtsSize + 2
	}
	return adtsSize
}

// take takes a complete frame among those that wait.
func (k *SoundPacker) take(to Packets) {
	unit, span := k.frame, uint32(samplesAAC)
	profile, index, channels := uint8(0), uint8(0), uint8(2)
	if k.Coding == MPEGAudio {
		const mono = 3
		if unit[3]>>6 == mono {
			channels = 1
		}
		span = mpegSpan(unit)
	} else {
		profile, index, channels = unit[2]>>6, unit[2]>>2&15, unit[2]&1<<2|unit[3]>>6
		unit = unit[k.adtsHead():]
	}
	if profile != k.profile || index != k.index || channels != k.channels {
		k.Flush(to)
		k.profile, k.index, k.channels = profile, index, channels
		k.Changed, k.counted = true, false
	}
	at, ok := k.time()
	if !ok {
		return
	}
	if k.count > 0 && (int(k.count) == maxUnits || at != k.next || k.length()+len(unit)+2 > MaxPayload) {
		k.Flush(to)
	}
	if k.count == 0 {
		k.first = at
	}
	k.next, k.counted = at+span, true
	k.sizes[k.count] = uint16(len(unit))
	k.units = append(k.units, unit...)
	k.count++
	if k.length() > MaxPayload {
		k.cut(to)
	}
}

// time gives the timestamp of the frame at hand. Not ok: it is not known.
func (k *SoundPacker) time() (at uint32, ok bool) {
	if !k.begun {
		return k.next, k.counted
	}
	rate := int64(k.Rate())
	at = uint32(k.at/mpaRate*rate + k.at%mpaRate*rate/mpaRate)
	k.begun = false
	slack := int32(rate / soundSlack)
	if d := int32(at - k.next); k.counted && d >= -slack && d <= slack {
		at = k.next
	}
	return at, true
}

// length is of the payload that the frames that wait would make, bytes.
func (k *SoundPacker) length() int {
	if k.Coding == MPEGAudio {
		return mpaHead + len(k.units)
	}
	return 2 + 2*int(k.count) + len(k.units)
}

// Flush sends the frames that wait.
func (k *SoundPacker) Flush(to Packets) {
	if k.count == 0 {
		return
	}
	out := k.payload[:0]
	if k.Coding == MPEGAudio {
		out = append(out, 0, 0, 0, 0) // RFC 2250 3.5: Frag_offset 0
	} else {
		out = binary.BigEndian.AppendUint16(out, 16*uint16(k.count)) // RFC 3640 3.2.1, in bits
		for _, n := range k.sizes[:k.count] {
			out = binary.BigEndian.AppendUint16(out, n<<3)
		}
	}
	out = append(out, k.units...)
	// RFC 3551 4.1: the marker of sound in MPA begins a talkspurt, of which there is none.
	to.Packet(k.first, k.Coding == ADTS, out)
	k.count, k.units = 0, k.units[:0]
}

// cut sends one frame that exceeds a packet (RFC 3640 3.2.3, RFC 2250 3.5).
func (k *SoundPacker) cut(to Packets) {
	const head = 4 // bytes in either coding
	for at := 0; at < len(k.units); {
		n := min(MaxPayload-head, len(k.units)-at)
		out := k.payload[:0]
		if k.Coding == MPEGAudio {
			out = binary.BigEndian.AppendUint16(append(out, 0, 0), uint16(at))
		} else {
			out = binary.BigEndian.AppendUint16(append(out, 0, 16), k.sizes[0]<<3)
		}
		out = append(out, k.units[at:at+n]...)
		at += n
		to.Packet(k.first, k.Coding == ADTS && at == len(k.units), out)
	}
	k.count, k.units = 0, k.units[:0]
}

// mpegSpan is how long a frame of MPEG audio takes, ticks of 90 kHz.
func mpegSpan(b []byte) uint32 {
	version, layer := b[1]>>3&3, b[1]>>1&3
	hertz := [3]uint32{44100, 48000, 32000}[b[2]>>2&3]
	samples := uint32(1152)
	switch version {
	case 2:
		hertz /= 2
	case 0:
		hertz /= 4
	}
	if version != 3 && layer == 1 {
		samples = 576
	}
	return samples * mpaRate / hertz
}
