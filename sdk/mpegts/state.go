package mpegts

import "encoding/binary"

const stateVersion = 1

// stateHead is the fixed part of the state, in bytes: version, programme, clock, counts.
const stateHead = 1 + 1 + 2 + 2 + 2 + 4 + 1 + 1 + 1 + 8 + 1 + 1 + 2 + 1 + 1

// stateStream is the state of one stream, in bytes.
const stateStream = 2 + 1 + 1 + 1

// AppendBinary appends the state to dst, at most MaxStateSize bytes and some 500 as a
// rule. It never fails. The same state always gives the same bytes.
func (d *Demux) AppendBinary(dst []byte) ([]byte, error) {
	g, be := &d.program, binary.BigEndian
	dst = append(dst, stateVersion, flag(g.known))
	dst = be.AppendUint16(dst, g.number)
	dst = be.AppendUint16(dst, g.pid)
	dst = be.AppendUint16(dst, g.pcr)
	dst = be.AppendUint32(dst, g.crc)
	dst = append(dst, byte(g.pat), byte(g.pmt), flag(d.clock.known))
	dst = be.AppendUint64(dst, uint64(d.clock.last))
	dst = append(dst, d.count, d.tables)
	dst = be.AppendUint16(dst, d.pending.pid)
	dst = append(dst, d.pending.packets, d.pending.start)
	for i := range d.Streams() {
		s := &d.streams[i]
		dst = be.AppendUint16(dst, s.PID)
		dst = append(dst, s.Type, byte(s.Codec), byte(s.counter))
	}
	dst = append(dst, d.psi[:int(d.tables)*PacketSize]...)
	return append(dst, d.pending.raw[:int(d.pending.packets)*PacketSize]...), nil
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// UnmarshalBinary sets the state to what AppendBinary wrote. On ErrState d is reset.
// Empty b is the state of the zero value.
func (d *Demux) UnmarshalBinary(b []byte) error {
	d.Reset()
	if len(b) == 0 {
		return nil
	}
	if !d.restore(b) {
		d.Reset()
		return ErrState
	}
	return nil
}

func (d *Demux) restore(b []byte) bool {
	if len(b) < stateHead || b[0] != stateVersion || b[1] > 1 || b[14] > 1 {
		return false
	}
	g, be := &d.program, binary.BigEndian
	*g = program{
		known: b[1] == 1, number: be.Uint16(b[2:]), pid: be.Uint16(b[4:]), pcr: be.Uint16(b[6:]),
		crc: be.Uint32(b[8:]), pat: counter(b[12]), pmt: counter(b[13]),
	}
	d.clock = unwrapper{last: int64(be.Uint64(b[15:])), known: b[14] == 1}
	d.count, d.tables = b[23], b[24]
	d.pending.pid, d.pending.packets, d.pending.start = be.Uint16(b[25:]), b[27], b[28]
	switch {
	case d.count > MaxStreams, d.tables > 1+maxPMTPackets, d.pending.packets > maxPMTPackets,
		d.pending.start >= PacketSize, g.pat > 16, g.pmt > 16, g.pid > pidMask:
		return false
	}
	b = b[stateHead:]
	psi, raw := int(d.tables)*PacketSize, int(d.pending.packets)*PacketSize
	if len(b) != int(d.count)*stateStream+psi+raw {
		return false
	}
	for i := range d.streams[:d.count] {
		s := &d.streams[i]
		*s = Stream{PID: be.Uint16(b), Type: b[2], Codec: Codec(b[3]), counter: counter(b[4])}
		if s.PID > pidMask || s.Codec >= codecs || s.counter > 16 {
			return false
		}
		s.Kind = s.Codec.kind()
		b = b[stateStream:]
	}
	d.choose()
	copy(d.psi[:], b[:psi])
	copy(d.pending.raw[:], b[psi:])
	return true
}
