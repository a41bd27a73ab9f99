package rtp

import (
	"encoding/base64"
	"encoding/binary"
)

// Bounds of H264, bytes.
const (
	// MaxParameters bounds the parameter sets that are kept. Chosen: an SPS and some
	// PPS take less than 100; the state must stay small.
	MaxParameters = 2048
	// maxHeld bounds what comes before a picture and waits for it. Chosen: an encoder's
	// greeting in an SEI has some 700; what is longer is left out.
	maxHeld = 4096
)

// Types of NAL units (ITU-T H.264 table 7-1, RFC 6184 table 1).
const (
	nalIDR       = 5
	nalSPS       = 7
	nalPPS       = 8
	nalDelimiter = 9
	nalSTAPA     = 24
	nalFUA       = 28
)

// where the NAL unit goes that is under way.
const (
	toNothing uint8 = iota // none is under way
	toWaste                // it is thrown away
	toSink
	toHeld
)

var (
	// startCode stands before each NAL unit of a byte stream (H.264 annex B).
	startCode = []byte{0, 0, 0, 1}
	// delimiter is an access unit delimiter, which a transport stream wants before each
	// picture (ISO 13818-1 2.14.1): any slice type.
	delimiter = []byte{0, 0, 0, 1, nalDelimiter, 0xF0}
)

// H264 puts access units together from packets of RFC 6184, single NAL units and modes 0
// and 1 (STAP-A, FU-A), as a byte stream: fragment by fragment, no picture is held.
// Parameter sets are put before each picture that can be joined at; before the first such
// nothing comes out. A unit with a gap ends there.
//
// The zero value knows no parameter sets: they come by Sprop or in the stream.
type H264 struct {
	Odd uint64 // packets that were of a type that is not known, or damaged

	known     bool    // timestamp is valid
	open      bool    // the sink has a unit
	skip      bool    // the rest of the unit is thrown away
	doubt     bool    // packets are missing before this unit
	keyed     bool    // a unit that can be joined at has come
	to        uint8   // of the NAL unit under way
	reorder   int8    // of the SPS
	timestamp uint32  // of the unit
	mark      int     // where the NAL unit under way begins in held
	held      []byte  // NAL units before the picture, each with u16 length, big-endian
	params    []byte  // SPS, then PPS, likewise
	head      [1]byte // scratch
}

// Sprop takes an SDP's sprop-parameter-sets (RFC 6184 8.1): base64 with commas between.
// What is no SPS or PPS is ignored; false if nothing can be read.
func (d *H264) Sprop(list []byte) bool {
	var raw [MaxParameters]byte
	d.held = d.held[:0]
	for len(list) > 0 {
		end := 0
		for end < len(list) && list[end] != ',' {
			end++
		}
		set := list[:end]
		for len(set) > 0 && set[len(set)-1] == '=' { // some encoders leave the padding out
			set = set[:len(set)-1]
		}
		if base64.RawStdEncoding.DecodedLen(len(set)) <= len(raw) {
			if n, err := base64.RawStdEncoding.Decode(raw[:], set); err == nil && n > 0 {
				d.parameter(raw[:n])
			}
		}
		list = list[min(end+1, len(list)):]
	}
	d.adopt()
	d.held, d.to = d.held[:0], toNothing
	return len(d.params) > 0
}

func (d *H264) parameter(nal []byte) {
	if kind := nal[0] & 0x1F; kind == nalSPS || kind == nalPPS {
		d.hold(nal[0])
		d.more(nal[1:], nil)
	}
}

// Push takes the next packet in order; lost tells that packets before it are missing.
func (d *H264) Push(p *Packet, b []byte, lost bool, to Sink) {
	same := d.known && p.Timestamp == d.timestamp
	if !same {
		d.finish(to)
	}
	if lost {
		d.finish(to)
		d.held, d.skip, d.doubt = d.held[:0], same, true
	}
	d.timestamp, d.known = p.Timestamp, true
	switch {
	case len(b) == 0:
	case b[0]&0x1F == nalFUA:
		d.fragment(b, to)
	case b[0]&0x1F == nalSTAPA:
		d.aggregate(b[1:], to)
	default:
		d.whole(b, to)
	}
	if p.Marker { // 5.1: the last packet of the unit
		d.finish(to)
	}
}

// finish ends the unit.
func (d *H264) finish(to Sink) {
	if d.open {
		to.End()
	}
	d.open, d.skip, d.to = false, false, toNothing
}

func (d *H264) whole(nal []byte, to Sink) {
	d.begin(nal[0], second(nal), to)
	d.more(nal[1:], to)
	d.to = toNothing
}

// second is a NAL unit's first byte behind its head, which says of a slice whether the
// picture begins with it.
func second(nal []byte) byte {
	if len(nal) < 2 {
		return 0
	}
	return nal[1]
}

// maxAggregated is how many NAL units of a packet are taken. Chosen: parameter sets, an
// SEI and the slices of a small picture.
const maxAggregated = 64

// aggregate takes a STAP-A (5.7.1).
func (d *H264) aggregate(b []byte, to Sink) {
	for n := 0; len(b) >= 2 && n < maxAggregated; n++ {
		size := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; size == 0 || size > len(b) {
			d.Odd++
			return
		}
		d.whole(b[:size], to)
		b = b[size:]
	}
}

// fragment takes an FU-A (5.8).
func (d *H264) fragment(b []byte, to Sink) {
	if len(b) < 3 {
		d.Odd++
		return
	}
	const start, end = 0x80, 0x40
	switch {
	case b[1]&start != 0:
		d.begin(b[0]&0xE0|b[1]&0x1F, b[2], to)
	case d.to == toNothing && !d.skip: // its beginning is missing
		d.finish(to)
		d.skip = true
	}
	d.more(b[2:], to)
	if b[1]&end != 0 {
		d.to = toNothing
	}
}

// begin opens a NAL unit and decides where it goes.
func (d *H264) begin(head, next byte, to Sink) {
	d.to = toWaste
	if d.skip {
		return
	}
	switch kind := head & 0x1F; {
	case kind == 0 || kind >= nalSTAPA:
		d.Odd++
		return
	case kind <= nalIDR:
		if !d.open && !d.picture(head, next, to) {
			d.skip = true
			return
		}
	case !d.open || kind <= nalDelimiter: // H.264 7.4.1.2.3: these begin the next unit
		if d.open {
			to.End()
			d.open = false
		}
		d.hold(head)
		return
	}
	d.to = toSink
	to.Write(startCode)
	d.head[0] = head
	to.Write(d.head[:])
}

// hold opens a NAL unit among those that wait for the picture.
func (d *H264) hold(head byte) {
	if len(d.held)+3 > maxHeld {
		d.to = toWaste
		return
	}
	d.mark = len(d.held)
	d.held = append(d.held, 0, 1, head)
	d.to = toHeld
}

// more takes bytes of the NAL unit under way.
func (d *H264) more(b []byte, to Sink) {
	switch {
	case d.to == toSink && len(b) > 0:
		to.Write(b)
	case d.to != toHeld:
	case len(d.held)+len(b) > maxHeld:
		d.held, d.to = d.held[:d.mark], toWaste
	default:
		d.held = append(d.held, b...)
		binary.BigEndian.PutUint16(d.held[d.mark:], uint16(len(d.held)-d.mark-2))
	}
}

// picture opens the sink's unit at its first slice, with what belongs before it; false
// if the unit cannot be used.
func (d *H264) picture(head, next byte, to Sink) bool {
	fresh := d.adopt()
	key := fresh || head&0x1F == nalIDR
	// H.264 7.3.3: a slice begins with first_mb_in_slice, whose 0 is the bit 1.
	if d.doubt && next&0x80 == 0 || !key && !d.keyed || !d.isReady() {
		d.held = d.held[:0]
		return false
	}
	d.doubt, d.keyed, d.open = false, true, true
	to.Begin(Unit{Timestamp: d.timestamp, Key: key, Reorder: int(d.reorder)})
	to.Write(delimiter)
	if key {
		for list := d.params; len(list) > 0; {
			list = writeNext(list, to)
		}
	}
	for list := d.held; len(list) > 0; {
		if kind := list[2] & 0x1F; kind >= nalSPS && kind <= nalDelimiter {
			_, list = nextNAL(list)
			continue
		}
		list = writeNext(list, to)
	}
	d.held = d.held[:0]
	return true
}

// isReady tells whether there is an SPS.
func (d *H264) isReady() bool { return len(d.params) > 0 && d.params[2]&0x1F == nalSPS }

// writeNext writes the first NAL unit of a list.
func writeNext(list []byte, to Sink) (rest []byte) {
	nal, rest := nextNAL(list)
	to.Write(startCode)
	to.Write(nal)
	return rest
}

// nextNAL takes the first NAL unit of a list with lengths, which has one.
func nextNAL(list []byte) (nal, rest []byte) {
	n := 2 + int(binary.BigEndian.Uint16(list))
	return list[2:n], list[n:]
}

// adopt takes over the parameter sets among those that wait: an SPS takes the place of
// all SPS, a PPS that of all PPS. It tells whether there was an SPS.
func (d *H264) adopt() (fresh bool) {
	pps := false
	for list := d.held; len(list) > 0; {
		fresh = fresh || list[2]&0x1F == nalSPS
		pps = pps || list[2]&0x1F == nalPPS
		_, list = nextNAL(list)
	}
	if !fresh && !pps {
		return false
	}
	var raw [MaxParameters]byte
	next := raw[:0]
	for _, from := range [...]struct {
		kind byte
		own  bool
	}{{nalSPS, !fresh}, {nalPPS, !pps}} {
		list := d.held
		if from.own {
			list = d.params
		}
		for len(list) > 0 {
			n := 2 + int(binary.BigEndian.Uint16(list))
			if list[2]&0x1F == from.kind && len(next)+n <= len(raw) {
				next = append(next, list[:n]...)
			}
			list = list[n:]
		}
	}
	d.params = append(d.params[:0], next...)
	d.reorder = -1
	if d.isReady() {
		nal, _ := nextNAL(d.params)
		d.reorder = int8(reorderOf(nal))
	}
	return fresh
}
