package rtp

import "encoding/binary"

const h264Fixed = 8 + 1 + 1 + 1 + 4 + 2 + 2 + 2

// MaxH264State is the longest that AppendBinary of an H264 writes, bytes.
const MaxH264State = h264Fixed + maxHeld + MaxParameters

// AppendBinary appends the state: counter, bits, numbers, then what is held and the
// parameter sets, all little-endian but their lengths. It never fails.
func (d *H264) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	bits := byte(0)
	for i, set := range [...]bool{d.known, d.open, d.skip, d.doubt, d.keyed} {
		if set {
			bits |= 1 << i
		}
	}
	b = le.AppendUint64(b, d.Odd)
	b = append(b, bits, d.to, byte(d.reorder))
	b = le.AppendUint32(b, d.timestamp)
	b = le.AppendUint16(b, uint16(d.mark))
	b = le.AppendUint16(b, uint16(len(d.held)))
	b = le.AppendUint16(b, uint16(len(d.params)))
	return append(append(b, d.held...), d.params...), nil
}

// UnmarshalBinary reads what AppendBinary wrote, and nothing else.
func (d *H264) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) < h264Fixed {
		return ErrState
	}
	bits, held, params := b[8], int(le.Uint16(b[17:])), int(le.Uint16(b[19:]))
	n := H264{Odd: le.Uint64(b), to: b[9], reorder: int8(b[10]), timestamp: le.Uint32(b[11:]), mark: int(le.Uint16(b[15:]))}
	for i, set := range [...]*bool{&n.known, &n.open, &n.skip, &n.doubt, &n.keyed} {
		*set = bits>>i&1 != 0
	}
	lists := b[h264Fixed:]
	if bits > 31 || n.to > toHeld || n.reorder < -1 || n.reorder > MaxReorder ||
		held > maxHeld || params > MaxParameters || len(lists) != held+params {
		return ErrState
	}
	n.held = append(d.held[:0], lists[:held]...)
	n.params = append(d.params[:0], lists[held:]...)
	if !areNALs(n.held) || !areNALs(n.params) || n.to == toSink && !n.open || n.to == toHeld && !n.isMarked() {
		return ErrState
	}
	*d = n
	return nil
}

// areNALs tells whether a list is of whole NAL units with lengths.
func areNALs(list []byte) bool {
	for len(list) > 0 {
		if len(list) < 3 {
			return false
		}
		n := int(binary.BigEndian.Uint16(list))
		if n == 0 || 2+n > len(list) {
			return false
		}
		list = list[2+n:]
	}
	return true
}

// isMarked tells whether mark is where the last of those that wait begins.
func (d *H264) isMarked() bool {
	at := 0
	for list := d.held; len(list) > 0; {
		nal, rest := nextNAL(list)
		if len(rest) == 0 {
			return at == d.mark
		}
		at += 2 + len(nal)
		list = rest
	}
	return false
}

// orderFixed is the state of an Order before its list, bytes.
const orderFixed = 1 + 1 + 8

// MaxOrderState is the longest that AppendBinary of an Order writes, bytes.
const MaxOrderState = orderFixed + 8*(MaxReorder+1)

// AppendBinary appends the state, all little-endian. It never fails.
func (o *Order) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	started := byte(0)
	if o.started {
		started = 1
	}
	b = append(b, started, o.depth)
	b = le.AppendUint64(b, uint64(o.last))
	if o.started {
		for _, v := range o.list[:o.depth+1] {
			b = le.AppendUint64(b, uint64(v))
		}
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary wrote, and nothing else.
func (o *Order) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) < orderFixed || b[0] > 1 || b[1] > MaxReorder {
		return ErrState
	}
	n := Order{started: b[0] == 1, depth: b[1], last: int64(le.Uint64(b[2:]))}
	count := 0
	if n.started {
		count = int(n.depth) + 1
	}
	if b = b[orderFixed:]; len(b) != 8*count || !n.started && (n.depth != 0 || n.last != 0) {
		return ErrState
	}
	for i := range count {
		n.list[i] = int64(le.Uint64(b[8*i:]))
	}
	*o = n
	return nil
}
