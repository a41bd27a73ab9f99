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

	coding  soundHead
	times   soundTimes
	first   uint32           // timestamp of the frames that wait
	count   uint8            // of frames that wait
	sizes   [maxUnits]uint16 // theirs, bytes
	units   []byte           // they themselves, of AAC without their heads
	frame   []byte           // the frame that is not complete, or is in doubt
	payload [MaxPayload]byte // scratch
}

// soundHead is what a frame's head says of the stream.
type soundHead struct {
	profile  uint8 // of AAC: audioObjectType less 1, as in an ADTS head
	index    uint8 // of AAC: sampling frequency index
	channels uint8 // 0: nothing is known yet
}

// soundTimes are those of frames.
type soundTimes struct {
	timed   bool   // pts is that of the next frame that begins
	begun   bool   // at is that of the frame under way
	counted bool   // next is valid
	behind  bool   // pts is not that of the frame that begins within a SoundPacker's frame, but of the one behind
	pts, at int64  // ticks of 90 kHz
	next    uint32 // when the next frame begins, in the clock
}

// claim gives the frame that begins the time that Begin told, if it is that frame's.
func (t *soundTimes) claim() (has bool) {
	if has = t.timed && !t.behind; has {
		t.timed, t.begun, t.at = false, true, t.pts
	}
	t.behind = false
	return has
}

// sampleRates are those of a sampling frequency index, Hz (ISO 14496-3 table 1.18).
var sampleRates = [13]uint32{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// Rate is the clock of timestamps, Hz; 0: not known yet.
func (k *SoundPacker) Rate() uint32 {
	switch {
	case k.coding.channels == 0:
		return 0
	case k.Coding == MPEGAudio:
		return mpaRate
	}
	return sampleRates[k.coding.index]
}

// Channels is how many there are; 0: not known yet.
func (k *SoundPacker) Channels() int {
	if k.coding.channels == 7 {
		return 8 // ISO 14496-3 table 1.19
	}
	return int(k.coding.channels)
}

// Config is the AudioSpecificConfig of AAC (ISO 14496-3 1.6.2.1).
func (k *SoundPacker) Config() [2]byte {
	return [2]byte{(k.coding.profile+1)<<3 | k.coding.index>>1, k.coding.index<<7 | k.coding.channels<<3}
}

// Learn takes over what another packer has found of the same stream's coding.
func (k *SoundPacker) Learn(from *SoundPacker) {
	if k.coding.channels == 0 && from.coding.channels != 0 {
		k.Coding, k.Changed, k.coding = from.Coding, true, from.coding
	}
}

// Begin tells that the first frame that begins in what follows is heard at pts, ticks of
// 90 kHz. Frames that wait are sent.
func (k *SoundPacker) Begin(pts int64, to Packets) {
	k.Flush(to)
	k.times.timed, k.times.pts = true, pts
	k.times.behind = len(k.frame) >= k.headSize() && len(k.frame) > k.size(k.frame)
}

// Drop forgets the frame that is not complete: bytes are missing. Write does nothing before
// the next Begin.
func (k *SoundPacker) Drop(to Packets) {
	k.Flush(to)
	k.forget()
}

// forget throws the frame under way away; nothing tells the time of those that follow.
func (k *SoundPacker) forget() { k.frame, k.times = k.frame[:0], soundTimes{} }

// Write takes the next bytes. Those whose time nothing tells are thrown away.
func (k *SoundPacker) Write(b []byte, to Packets) {
	for len(b) > 0 && k.Coding != NoSound {
		if len(k.frame) == 0 {
			at := bytes.IndexByte(b, 0xFF) // both begin with eleven ones at least
			if at < 0 || !k.times.timed && !k.times.begun && !k.times.counted {
				return
			}
			b = b[at:]
			k.times.claim()
		}
		n := min(max(k.wants()-len(k.frame), 0), len(b))
		k.frame = append(k.frame, b[:n]...)
		b = b[n:]
		for k.step(to) {
		}
	}
}

// wants is how long the frame under way must be for a step, bytes.
func (k *SoundPacker) wants() int {
	head := k.headSize()
	if len(k.frame) < head {
		return head
	}
	n := k.size(k.frame)
	if k.isNew() {
		n += head
	}
	return n
}

// step goes on with the frame under way, if there is enough of it, and tells whether there
// may be more to do. A head that changes the coding counts only if another one like it
// stands where its frame ends: within frames, too, there are bytes that look like a head.
func (k *SoundPacker) step(to Packets) (more bool) {
	if len(k.frame) < k.headSize() || len(k.frame) < k.wants() {
		return false
	}
	switch n := k.size(k.frame); {
	case n == 0:
		k.skip(1)
	case !k.isNew() || k.agrees(k.frame[n:]):
		k.take(k.frame[:n], to)
		if k.skip(n); len(k.frame) > 0 && k.times.claim() {
			k.Flush(to)
		}
	case k.times.timed: // which of these bytes came before Begin is not known
		k.forget()
	default:
		k.skip(1)
	}
	return true
}

// skip throws away so many bytes, and what follows up to one that may begin a head.
func (k *SoundPacker) skip(n int) {
	rest := k.frame[n:]
	at := bytes.IndexByte(rest, 0xFF)
	if at < 0 {
		at = len(rest)
	}
	k.frame = k.frame[:copy(k.frame, rest[at:])]
}

// isNew tells whether the frame under way, of which there is the head, has another coding.
func (k *SoundPacker) isNew() bool { return k.headOf(k.frame) != k.coding }

// agrees tells whether h is the head of a frame of the same stream as the one under way.
func (k *SoundPacker) agrees(h []byte) bool {
	const crc, frequency = 0x01, 0x0C // bits of the second and the third byte, in either coding
	f := k.frame
	return k.size(h) > 0 && k.headOf(h) == k.headOf(f) && (h[1]^f[1])&^crc == 0 && (h[2]^f[2])&frequency == 0
}

// headSize is how many bytes of a frame say how long it is.
func (k *SoundPacker) headSize() int {
	if k.Coding == MPEGAudio {
		return mpaHead
	}
	return adtsSize
}

// size gives the length of the frame with the head h, bytes; 0: it is no head, or of a
// frame that cannot be sent.
func (k *SoundPacker) size(h []byte) int {
	if k.Coding == MPEGAudio {
		if n := mpegFrame(h); n > mpaHead && n <= maxSound {
			return n
		}
		return 0
	}
	n := int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5])>>5
	// 1.A.2.2: syncword and layer, one raw data block, a rate and channels that the head says.
	if h[0] != 0xFF || h[1]&0xF6 != 0xF0 || h[6]&3 != 0 || h[2]>>2&15 > 12 || h[2]&1<<2|h[3]>>6 == 0 || n <= adtsHead(h) {
		return 0
	}
	return n
}

// adtsHead is the length of an ADTS head with its checksum, bytes.
func adtsHead(h []byte) int {
	if h[1]&1 == 0 {
		return adtsSize + 2
	}
	return adtsSize
}

// headOf reads a head.
func (k *SoundPacker) headOf(h []byte) soundHead {
	const mono = 3
	switch {
	case k.Coding != MPEGAudio:
		return soundHead{profile: h[2] >> 6, index: h[2] >> 2 & 15, channels: h[2]&1<<2 | h[3]>>6}
	case h[3]>>6 == mono:
		return soundHead{channels: 1}
	}
	return soundHead{channels: 2}
}

// take takes a complete frame among those that wait.
func (k *SoundPacker) take(unit []byte, to Packets) {
	if found := k.headOf(unit); found != k.coding {
		k.Flush(to)
		k.coding, k.Changed, k.times.counted = found, true, false
	}
	span := uint32(samplesAAC)
	if k.Coding == MPEGAudio {
		span = mpegSpan(unit)
	} else {
		unit = unit[adtsHead(unit):]
	}
	at, ok := k.time()
	if !ok {
		return
	}
	if k.count > 0 && (int(k.count) == maxUnits || at != k.times.next || k.length()+len(unit)+2 > MaxPayload) {
		k.Flush(to)
	}
	if k.count == 0 {
		k.first = at
	}
	k.times.next, k.times.counted = at+span, true
	k.sizes[k.count] = uint16(len(unit))
	k.units = append(k.units, unit...)
	k.count++
	if k.length() > MaxPayload {
		k.cut(to)
	}
}

// time gives the timestamp of the frame at hand. Not ok: it is not known.
func (k *SoundPacker) time() (at uint32, ok bool) {
	t := &k.times
	if !t.begun {
		return t.next, t.counted
	}
	rate := int64(k.Rate())
	at = uint32(t.at/mpaRate*rate + t.at%mpaRate*rate/mpaRate)
	t.begun = false
	slack := int32(rate / soundSlack)
	if d := int32(at - t.next); t.counted && d >= -slack && d <= slack {
		at = t.next
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
