package rtp

import "encoding/binary"

const (
	h264PackFixed = 2 + 1 + 4 + 3*2
	maxPackHeld   = MaxPayload + stapHead
)

// MaxH264PackerState is the longest that AppendBinary of an H264Packer writes, bytes.
const MaxH264PackerState = h264PackFixed + maxPackHeld + MaxPayload + 2*MaxParameters + 2

// AppendBinary appends the state: bits, numbers and lengths, little-endian, then what is
// held. Parameter sets that are to be in force stand behind their length, if they are
// waited for. It never fails.
func (k *H264Packer) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	bits := byte(0)
	for i, set := range [...]bool{k.Changed, k.open, k.inside, k.waste, k.split, k.hasSPS, k.renewing} {
		if set {
			bits |= 1 << i
		}
	}
	b = append(b, bits, k.zeros, k.count)
	b = le.AppendUint32(b, k.timestamp)
	for _, list := range [...][]byte{k.held, k.nal, k.params} {
		b = le.AppendUint16(b, uint16(len(list)))
	}
	b = append(append(append(b, k.held...), k.nal...), k.params...)
	if k.renewing {
		b = append(le.AppendUint16(b, uint16(len(k.fresh))), k.fresh...)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary wrote, and nothing else.
func (k *H264Packer) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) < h264PackFixed {
		return ErrState
	}
	n := H264Packer{zeros: b[1], count: b[2], timestamp: le.Uint32(b[3:])}
	for i, set := range [...]*bool{&n.Changed, &n.open, &n.inside, &n.waste, &n.split, &n.hasSPS, &n.renewing} {
		*set = b[0]>>i&1 != 0
	}
	held, nal, params := int(le.Uint16(b[7:])), int(le.Uint16(b[9:])), int(le.Uint16(b[11:]))
	lists := b[h264PackFixed:]
	if fresh := held + nal + params; n.renewing {
		if len(lists) < fresh+2 || len(lists)-fresh-2 != int(le.Uint16(lists[fresh:])) || len(lists)-fresh-2 > MaxParameters {
			return ErrState
		}
		n.fresh = append(k.fresh[:0], lists[fresh+2:]...)
		lists = lists[:fresh]
	}
	if b[0] > 127 || n.zeros > 3 || n.count > maxAggregated || held > maxPackHeld || nal > MaxPayload || params > MaxParameters || len(lists) != held+nal+params {
		return ErrState
	}
	n.held = append(room(k.held, maxPackHeld), lists[:held]...)
	n.nal = append(room(k.nal, MaxPayload+1), lists[held:held+nal]...)
	n.params = append(k.params[:0], lists[held+nal:]...)
	switch {
	case !areNALs(n.params), !areNALs(n.fresh),
		n.count > 0 && (held < stapHead || !areNALs(n.held[1:])),
		n.count == 0 && held > MaxPayload, n.count > 1 && held > MaxPayload,
		n.split && nal <= fuHead,
		!n.open && (n.inside || held+nal > 0):
		return ErrState
	}
	*k = n
	return nil
}

const soundPackFixed = 5 + 2*8 + 4 + 4 + 1 + 2*2

// MaxSoundPackerState is the longest that AppendBinary of a SoundPacker writes, bytes.
const MaxSoundPackerState = soundPackFixed + 2*maxUnits + MaxPayload + maxSound + adtsSize

// AppendBinary appends the state: coding, bits, numbers, then sizes and bytes of the frames
// that wait, and of the one that is not complete, all little-endian. It never fails.
func (k *SoundPacker) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	bits := byte(0)
	for i, set := range [...]bool{k.Changed, k.times.timed, k.times.counted, k.times.begun, k.times.behind} {
		if set {
			bits |= 1 << i
		}
	}
	b = append(b, byte(k.Coding), bits, k.coding.profile, k.coding.index, k.coding.channels)
	b = le.AppendUint64(b, uint64(k.times.pts))
	b = le.AppendUint64(b, uint64(k.times.at))
	b = le.AppendUint32(b, k.times.next)
	b = le.AppendUint32(b, k.first)
	b = append(b, k.count)
	b = le.AppendUint16(b, uint16(len(k.units)))
	b = le.AppendUint16(b, uint16(len(k.frame)))
	for _, n := range k.sizes[:k.count] {
		b = le.AppendUint16(b, n)
	}
	return append(append(b, k.units...), k.frame...), nil
}

// UnmarshalBinary reads what AppendBinary wrote, and nothing else.
func (k *SoundPacker) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) < soundPackFixed {
		return ErrState
	}
	n := SoundPacker{Coding: SoundCoding(b[0]), coding: soundHead{profile: b[2], index: b[3], channels: b[4]}, first: le.Uint32(b[25:]), count: b[29]}
	n.times = soundTimes{pts: int64(le.Uint64(b[5:])), at: int64(le.Uint64(b[13:])), next: le.Uint32(b[21:])}
	for i, set := range [...]*bool{&n.Changed, &n.times.timed, &n.times.counted, &n.times.begun, &n.times.behind} {
		*set = b[1]>>i&1 != 0
	}
	units, frame := int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	rest := b[soundPackFixed:]
	if n.Coding >= soundCodings || b[1] > 31 || n.coding.profile > 3 || n.coding.index > 12 || n.coding.channels > 7 || n.count > maxUnits ||
		frame >= maxSound+adtsSize || len(rest) != 2*int(n.count)+units+frame {
		return ErrState
	}
	size := 0
	for i := range n.sizes[:n.count] {
		n.sizes[i] = le.Uint16(rest[2*i:])
		size += int(n.sizes[i])
	}
	rest = rest[2*int(n.count):]
	n.units = append(room(k.units, MaxPayload+maxSound), rest[:units]...)
	n.frame = append(room(k.frame, maxSound+adtsSize), rest[units:]...)
	if size != units || n.count > 0 && (n.length() > MaxPayload || n.coding.channels == 0) || !n.isFrame() {
		return ErrState
	}
	*k = n
	return nil
}

// isFrame tells whether the frame under way may be one, with a part of the next one's head.
func (k *SoundPacker) isFrame() bool {
	head := k.headSize()
	switch {
	case len(k.frame) == 0:
		return true
	case k.Coding == NoSound || k.frame[0] != 0xFF:
		return false
	case len(k.frame) < head:
		return true
	}
	n := k.size(k.frame)
	return n > 0 && len(k.frame) < n+head
}

// room gives b emptied, with room for n bytes, so that it need not grow packet by packet.
func room(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, n)
	}
	return b[:0]
}
