package rtp

import (
	"encoding/binary"
	"errors"
)

// ErrConfig is returned for an AudioSpecificConfig that ADTS cannot express.
var ErrConfig = errors.New("rtp: this configuration of AAC has no ADTS form")

const (
	adtsSize = 7
	// maxAAC is the longest access unit (ISO 14496-3 1.A.2.2.1: 13 bits with the head).
	maxAAC = 1<<13 - 1 - adtsSize
	// maxUnits is how many access units of a packet are taken. Chosen: 64 of 21 ms.
	maxUnits = 64
)

// AAC takes AAC out of packets of RFC 3640, mode AAC-hbr, and puts an ADTS head (ISO
// 14496-3 1.A.2.2) before each access unit. The units of a packet are one Unit; one that
// was cut into several packets comes as it comes. It must be configured first.
type AAC struct {
	Odd uint64 // packets that were damaged, or interleaved (RFC 3640 3.2.3.2)

	profile, rate, channels uint8 // as in the ADTS head
	timestamp               uint32
	missing                 uint16         // bytes of the access unit that further packets bring
	skip                    bool           // the parts of the unit of this timestamp are thrown away
	head                    [adtsSize]byte // scratch
}

// Configure reads an AudioSpecificConfig (ISO 14496-3 1.6.2.1). Of SBR and PS the layer
// below is told, as ADTS has no other way.
func (d *AAC) Configure(config []byte) error {
	r := &bitReader{b: config, plain: true}
	object, rate := r.object(), r.rate()
	channels := r.read(4)
	if object == 5 || object == 29 {
		r.rate() // of the extension
		object = r.object()
	}
	if r.over || object < 1 || object > 4 || rate > 12 || channels < 1 || channels > 7 {
		return ErrConfig
	}
	d.profile, d.rate, d.channels = uint8(object-1), uint8(rate), uint8(channels)
	return nil
}

// object reads audioObjectType (1.6.2.1.1).
func (r *bitReader) object() uint32 {
	const escape = 31
	if v := r.read(5); v != escape {
		return v
	}
	return 32 + r.read(6)
}

// rate reads samplingFrequencyIndex; a frequency that has none gives its own, as 15.
func (r *bitReader) rate() uint32 {
	v := r.read(4)
	if v == 15 {
		r.read(24)
	}
	return v
}

// adts gives the head of an access unit of size bytes.
func (d *AAC) adts(size int) []byte {
	n := size + adtsSize
	d.head = [adtsSize]byte{0xFF, 0xF1, d.profile<<6 | d.rate<<2 | d.channels>>2, // MPEG-4, no checksum
		d.channels<<6 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}
	return d.head[:]
}

// Push takes the next packet in order; lost tells that packets before it are missing.
func (d *AAC) Push(p *Packet, b []byte, lost bool, to Sink) {
	if d.missing > 0 && (lost || p.Timestamp != d.timestamp) {
		d.stop(to)
	}
	if d.skip = d.skip && p.Timestamp == d.timestamp; len(b) < 2 {
		d.Odd++
		return
	}
	// RFC 3640 3.2.1: the heads' length in bits, then heads of 13+3 bits each.
	bits := int(binary.BigEndian.Uint16(b))
	count := bits / 16
	if bits%16 != 0 || count == 0 || count > maxUnits || 2+2*count > len(b) {
		d.Odd++
		return
	}
	heads, units := b[2:2+2*count], b[2+2*count:]
	size, ok := total(heads)
	switch {
	case !ok || size > len(units) && count > 1:
		d.Odd++
	case size > len(units):
		d.fragment(p, size, units, lost, to)
	default:
		d.stop(to)
		to.Begin(Unit{Timestamp: p.Timestamp, Key: true, Size: size + count*adtsSize})
		for ; len(heads) > 0; heads = heads[2:] {
			n := int(binary.BigEndian.Uint16(heads) >> 3)
			to.Write(d.adts(n))
			to.Write(units[:n])
			units = units[n:]
		}
		to.End()
	}
}

// total adds up the sizes in access unit heads; false if one is interleaved or too long.
func total(heads []byte) (size int, ok bool) {
	for ; len(heads) > 0; heads = heads[2:] {
		v := binary.BigEndian.Uint16(heads)
		if v&7 != 0 || v>>3 > maxAAC || v>>3 == 0 {
			return 0, false
		}
		size += int(v >> 3)
	}
	return size, true
}

// fragment takes a part of an access unit of size bytes (RFC 3640 3.2.3).
func (d *AAC) fragment(p *Packet, size int, b []byte, lost bool, to Sink) {
	if len(b) == 0 {
		d.Odd++
		return
	}
	if d.missing == 0 {
		d.timestamp = p.Timestamp
		if d.skip = d.skip || lost; d.skip { // its beginning may be missing
			d.Odd++
			return
		}
		to.Begin(Unit{Timestamp: p.Timestamp, Key: true, Size: size + adtsSize})
		to.Write(d.adts(size))
		d.missing = uint16(size)
	}
	b = b[:min(len(b), int(d.missing))]
	to.Write(b)
	if d.missing -= uint16(len(b)); d.missing == 0 {
		to.End()
	}
}

// stop ends a unit of which bytes are missing.
func (d *AAC) stop(to Sink) {
	if d.missing > 0 {
		d.missing = 0
		to.End()
	}
}

// MaxAACState is what AppendBinary of an AAC writes, bytes.
const MaxAACState = 8 + 3 + 1 + 4 + 2

// AppendBinary appends the state, all little-endian. It never fails.
func (d *AAC) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	skip := byte(0)
	if d.skip {
		skip = 1
	}
	b = le.AppendUint64(b, d.Odd)
	b = append(b, d.profile, d.rate, d.channels, skip)
	b = le.AppendUint32(b, d.timestamp)
	return le.AppendUint16(b, d.missing), nil
}

// UnmarshalBinary reads what AppendBinary wrote, and nothing else.
func (d *AAC) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) != MaxAACState {
		return ErrState
	}
	n := AAC{Odd: le.Uint64(b), profile: b[8], rate: b[9], channels: b[10], skip: b[11] == 1,
		timestamp: le.Uint32(b[12:]), missing: le.Uint16(b[16:])}
	if n.profile > 3 || n.rate > 12 || n.channels > 7 || b[11] > 1 || n.missing > maxAAC {
		return ErrState
	}
	*d = n
	return nil
}
