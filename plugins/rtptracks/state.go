package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/mpegts"
)

const (
	// trackSize and fixedSize are of what AppendState appends for a track, and before the
	// packers, bytes.
	trackSize = 2 + 1 + 2 + 2 + 4*4
	fixedSize = 1 + 1 + 3*8 + streams*trackSize + 2
	// maxCarried is of the codecs, bytes.
	maxCarried = 1 + mpegts.MaxStreams
)

func (k *packing) bits() *[7]*bool {
	return &[...]*bool{&k.begun, &k.headed, &k.waiting, &k.key, &k.jump, &k.placed, &k.barren}
}

// AppendState packs bits, the tracks shown, three times and the tracks, little-endian; then
// the packers, that of pictures behind its length; before the times, behind their count, the codecs.
func (k *packing) AppendState(b []byte) []byte {
	if !k.begun {
		return b
	}
	le := binary.LittleEndian
	bits := byte(0)
	for i, set := range k.bits() {
		if *set {
			bits |= 1 << i
		}
	}
	b = append(b, bits, k.shown, byte(len(k.carried)))
	b = append(b, k.carried...)
	for _, n := range [...]int64{k.since, k.anchor, k.report} {
		b = le.AppendUint64(b, uint64(n))
	}
	for i := range k.tracks {
		t := &k.tracks[i]
		b = append(le.AppendUint16(b, t.pid), t.counter)
		b = le.AppendUint16(b, t.left)
		b = le.AppendUint16(b, t.sequence)
		for _, n := range [...]uint32{t.ssrc, t.offset, t.packets, t.octets} {
			b = le.AppendUint32(b, n)
		}
	}
	at := len(b)
	b, _ = k.nal.AppendBinary(append(b, 0, 0)) // never fails
	le.PutUint16(b[at:], uint16(len(b)-at-2))
	b, _ = k.frames.AppendBinary(b)
	return b
}

// ReadState unpacks what AppendState packed.
func (k *packing) ReadState(b []byte) error {
	if len(b) < 1+fixedSize || b[0]&1 == 0 || b[1] >= 1<<streams {
		return abi.EINVAL
	}
	le := binary.LittleEndian
	for i, set := range k.bits() {
		*set = b[0]>>i&1 != 0
	}
	k.shown = b[1]
	n := int(b[2])
	if n > mpegts.MaxStreams || len(b) < 1+n+fixedSize {
		return abi.EINVAL
	}
	k.carried = append(k.carried[:0], b[3:3+n]...)
	b = b[3+n:]
	for _, n := range [...]*int64{&k.since, &k.anchor, &k.report} {
		*n = int64(le.Uint64(b))
		b = b[8:]
	}
	for i := range k.tracks {
		t := &k.tracks[i]
		*t = track{pid: le.Uint16(b), counter: b[2], left: le.Uint16(b[3:]), sequence: le.Uint16(b[5:]),
			ssrc: le.Uint32(b[7:]), offset: le.Uint32(b[11:]), packets: le.Uint32(b[15:]), octets: le.Uint32(b[19:])}
		if t.counter > 16 || t.pid > 0x1FFF || t.ssrc == 0 {
			return abi.EINVAL
		}
		b = b[trackSize:]
	}
	n = int(le.Uint16(b))
	if b = b[2:]; n > len(b) || k.nal.UnmarshalBinary(b[:n]) != nil || k.frames.UnmarshalBinary(b[n:]) != nil {
		return abi.EINVAL
	}
	if !k.isWhole() {
		return abi.EINVAL
	}
	return nil
}

// isWhole tells whether what is shown is there.
func (k *packing) isWhole() bool {
	for i := range k.tracks {
		if k.shown&(1<<i) != 0 && (k.tracks[i].pid == 0 || !k.isKnown(i)) {
			return false
		}
	}
	return true
}
