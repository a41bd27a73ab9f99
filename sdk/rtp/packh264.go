package rtp

import (
	"bytes"
	"encoding/binary"
)

// MaxPayload is the longest payload that packers make, bytes. Chosen: with the heads of
// RTP, UDP and IPv6 it fits into an Ethernet frame, and leaves room for a tunnel's.
const MaxPayload = 1400

// Packets takes the payloads that packers make, in order. A slice is valid during the
// call only. The marker is as RFC 6184 5.1 and RFC 3640 3.1 have it: the last of a picture, the
// end of an access unit of sound.
type Packets interface {
	Packet(timestamp uint32, marker bool, payload []byte)
}

const (
	fuHead   = 2 // bytes of an FU-A before the fragment (RFC 6184 5.8)
	stapHead = 3 // bytes of a STAP-A before its first NAL unit (5.7.1)
	nalEnd   = 12
)

// H264Packer makes payloads of RFC 6184, packetization mode 1, out of a byte stream (H.264
// annex B): a NAL unit that fits is a packet, several that fit together are a STAP-A, a
// longer one is cut into FU-A. Access unit delimiters and filler are left out. Before an
// IDR picture whose access unit has no SPS, the parameter sets that are known are put.
// At most one packet and one NAL unit that fits a packet are held.
//
// The zero value is ready: Begin, Write as often as there are bytes, then Begin or End.
type H264Packer struct {
	// Changed is set when parameter sets are new; whoever has taken note of them clears it.
	Changed bool

	open      bool  // a unit has begun
	renewing  bool  // params gives way to fresh as soon as that has an SPS and a PPS
	inside    bool  // behind a start code
	waste     bool  // the NAL unit under way is thrown away
	split     bool  // the NAL unit under way is an FU-A, of which some have gone out
	hasSPS    bool  // the unit has one
	zeros     uint8 // zero bytes that were read and may be of a start code, at most 3
	count     uint8 // NAL units in held; 0 with bytes in held: the last FU-A of a NAL unit
	timestamp uint32
	held      []byte // the packet in waiting, NAL units as a STAP-A
	nal       []byte // the NAL unit under way; of an FU-A its head and the next fragment
	params    []byte // SPS, PPS, each with u16 length, big-endian
	fresh     []byte // likewise, those that came since renewing
}

// Begin opens the access unit that is shown at the timestamp; the one before ends.
func (k *H264Packer) Begin(timestamp uint32, to Packets) {
	k.End(to)
	k.open, k.timestamp = true, timestamp
}

// IsOpen tells whether an access unit that is shown at the timestamp is under way.
func (k *H264Packer) IsOpen(timestamp uint32) bool { return k.open && k.timestamp == timestamp }

// End ends the access unit.
func (k *H264Packer) End(to Packets) {
	if k.open {
		k.endNAL(to)
		k.release(true, to)
	}
	k.reset()
	if k.renewing && areBoth(k.fresh) {
		if !bytes.Equal(k.params, k.fresh) {
			k.params, k.Changed = append(k.params[:0], k.fresh...), true
		}
		k.renewing, k.fresh = false, k.fresh[:0]
	}
}

// Renew tells that the stream may be another one from here on. The parameter sets that are
// known are in force until an access unit ends by which both an SPS and a PPS have come;
// then those that did not come again are dropped.
func (k *H264Packer) Renew() { k.renewing, k.fresh = true, k.fresh[:0] }

// Drop ends the access unit where bytes are missing: the NAL unit under way is thrown
// away, and Write does nothing before the next Begin.
func (k *H264Packer) Drop(to Packets) {
	k.release(true, to)
	k.reset()
}

func (k *H264Packer) reset() {
	k.open, k.inside, k.waste, k.split, k.hasSPS, k.zeros, k.count = false, false, false, false, false, 0, 0
	k.held, k.nal = k.held[:0], k.nal[:0]
}

// Params gives the parameter sets in force, SPS first, each behind its length of 16 bits,
// big-endian; a view that is valid until the next call. Nil: not both are known.
func (k *H264Packer) Params() []byte {
	if !areBoth(k.params) {
		return nil
	}
	return k.params
}

// areBoth tells whether a list, SPS first, has both an SPS and a PPS.
func areBoth(list []byte) bool {
	if len(list) == 0 || list[2]&0x1F != nalSPS {
		return false
	}
	for len(list) > 0 {
		var nal []byte
		if nal, list = nextNAL(list); nal[0]&0x1F == nalPPS {
			return true
		}
	}
	return false
}

// Write takes the next bytes of the access unit.
func (k *H264Packer) Write(b []byte, to Packets) {
	if !k.open {
		return
	}
	for len(b) > 0 {
		if k.zeros > 0 {
			switch c := b[0]; {
			case c == 0:
				k.zeros = min(k.zeros+1, 3)
				b = b[1:]
				continue
			case c == 1 && k.zeros >= 2: // annex B: 00 00 01
				k.endNAL(to)
				k.inside, k.waste, k.zeros = true, false, 0
				b = b[1:]
				continue
			}
			k.add([]byte{0, 0, 0}[:k.zeros], to)
			k.zeros = 0
		}
		at := bytes.IndexByte(b, 0)
		if at < 0 {
			k.add(b, to)
			return
		}
		k.add(b[:at], to)
		k.zeros = 1
		b = b[at+1:]
	}
}

// add takes bytes of the NAL unit under way.
func (k *H264Packer) add(b []byte, to Packets) {
	if !k.inside || k.waste || len(b) == 0 {
		return
	}
	if len(k.nal) == 0 && !k.begin(b[0], to) {
		k.waste = true
		return
	}
	for len(b) > 0 {
		// A byte more than fits tells that it must be cut, so that the last FU-A is never empty.
		n := min(len(b), MaxPayload+1-len(k.nal))
		k.nal = append(k.nal, b[:n]...)
		b = b[n:]
		if len(k.nal) > MaxPayload {
			k.cut(to)
		}
	}
}

// begin looks at a NAL unit's first byte, and tells whether it is sent at all.
func (k *H264Packer) begin(head byte, to Packets) bool {
	switch kind := head & 0x1F; {
	case head&0x80 != 0, kind == 0, kind >= nalSTAPA, kind == nalDelimiter, kind == nalEnd: // RFC 6184 5.4: 0 and 24 on are no NAL units of H.264
		return false
	case kind == nalSPS:
		k.hasSPS = true
	case kind == nalIDR && !k.hasSPS:
		k.hasSPS = true
		for list := k.Params(); len(list) > 0; {
			var nal []byte
			nal, list = nextNAL(list)
			k.hold(nal, to)
		}
	}
	return true
}

// cut sends as much of the NAL unit under way as fits a packet.
func (k *H264Packer) cut(to Packets) {
	k.release(false, to)
	const start = 0x80
	if k.split {
		to.Packet(k.timestamp, false, k.nal[:MaxPayload])
		k.nal = append(k.nal[:fuHead], k.nal[MaxPayload:]...)
		return
	}
	k.split = true
	head := k.nal[0]
	var last [fuHead + 1]byte // what does not fit: the head takes a byte more than that of the NAL unit
	n := copy(last[:], k.nal[MaxPayload-1:])
	copy(k.nal[fuHead:MaxPayload], k.nal[1:])
	k.nal[0], k.nal[1] = head&0xE0|nalFUA, start|head&0x1F
	to.Packet(k.timestamp, false, k.nal[:MaxPayload])
	k.nal[1] &^= start
	k.nal = append(k.nal[:fuHead], last[:n]...)
}

// endNAL takes the NAL unit under way among those that wait for being sent.
func (k *H264Packer) endNAL(to Packets) {
	const end = 0x40
	switch {
	case len(k.nal) == 0:
	case k.split:
		k.release(false, to)
		k.nal[1] |= end
		k.held = append(k.held[:0], k.nal...)
	default:
		if kind := k.nal[0] & 0x1F; kind == nalSPS || kind == nalPPS {
			k.keep(k.nal)
		}
		k.hold(k.nal, to)
	}
	k.nal, k.split, k.inside = k.nal[:0], false, false
}

// hold puts a NAL unit into the packet in waiting.
func (k *H264Packer) hold(nal []byte, to Packets) {
	if len(k.held) > 0 && (k.count == 0 || k.count == maxAggregated || len(k.held)+2+len(nal) > MaxPayload) {
		k.release(false, to)
	}
	if k.count == 0 {
		k.held = append(k.held[:0], nalSTAPA)
	}
	// 5.7.1: F and NRI are the highest of those of the NAL units.
	k.held[0] = k.held[0]&0x1F | k.held[0]&0x80 | max(k.held[0]&0x60, nal[0]&0x60)
	k.held = binary.BigEndian.AppendUint16(k.held, uint16(len(nal)))
	k.held = append(k.held, nal...)
	k.count++
}

// release sends the packet in waiting.
func (k *H264Packer) release(marker bool, to Packets) {
	switch {
	case len(k.held) == 0:
		return
	case k.count == 1:
		to.Packet(k.timestamp, marker, k.held[stapHead:])
	default:
		to.Packet(k.timestamp, marker, k.held)
	}
	k.held, k.count = k.held[:0], 0
}

// keep takes a parameter set. Where there is no room, those that come no more are to give way.
func (k *H264Packer) keep(nal []byte) {
	var changed, full bool
	if k.params, changed, full = put(k.params, nal); full && !k.renewing {
		k.Renew()
	}
	k.Changed = k.Changed || changed
	if k.renewing {
		k.fresh, _, _ = put(k.fresh, nal)
	}
}

// put puts a parameter set into a list, SPS first, in the place of one of the same number.
// Full: there is no room, and nothing is done.
func put(list, nal []byte) (out []byte, changed, full bool) {
	kind, number, ok := parameterNumber(nal)
	if !ok {
		return list, false, false
	}
	var raw [MaxParameters]byte
	next := raw[:0]
	for rest := list; len(rest) > 0; {
		old, behind := nextNAL(rest)
		oldKind, oldNumber, _ := parameterNumber(old)
		switch {
		case oldKind != kind || oldNumber != number:
			next = append(next, rest[:2+len(old)]...)
		case bytes.Equal(old, nal):
			return list, false, false
		}
		rest = behind
	}
	if len(next)+2+len(nal) > len(raw) {
		return list, false, true
	}
	list = list[:0]
	if kind == nalPPS {
		list = append(list, next...)
	}
	list = binary.BigEndian.AppendUint16(list, uint16(len(nal)))
	list = append(list, nal...)
	if kind == nalSPS {
		list = append(list, next...)
	}
	return list, true, false
}

// parameterNumber gives the id of a parameter set (H.264 7.3.2.1.1, 7.3.2.2).
func parameterNumber(nal []byte) (kind byte, number uint32, ok bool) {
	const spsID = 4 // behind profile, constraints and level
	kind = nal[0] & 0x1F
	at := 1
	if kind == nalSPS {
		at = spsID
	}
	if len(nal) <= at {
		return kind, 0, false
	}
	r := bitReader{b: nal[at:]}
	number = r.ue()
	return kind, number, !r.over
}
