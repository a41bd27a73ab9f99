package rtp

import (
	"encoding/binary"
	"errors"
)

// Bounds of a Window.
const (
	// Depth is how many packets wait for those before them (chosen: networks reorder by
	// a few packets; 16 of 1,316 bytes are 17 ms at 10 Mbit/s).
	Depth = 16
	// MaxWait is how long they wait at most, ns. It passes by the times of arrival, so
	// that a sender that falls silent leaves them waiting until Flush (chosen).
	MaxWait = 100_000_000

	maxDropout  = 3000 // A.1 MAX_DROPOUT: packets ahead that a gap may be long
	maxMisorder = 100  // A.1 MAX_MISORDER: packets behind that are late, not a new beginning
)

// ErrState is returned for bytes that are no state of a Window.
var ErrState = errors.New("rtp: malformed window state")

// Span is a packet's payload in whatever its owner counts: offset and bytes.
type Span struct {
	Offset uint64
	Size   uint32
}

// Window puts the packets of one source into order. The zero value is ready; the first
// packet begins. Another SSRC, or a sequence number far from the expected one, begins
// anew once two packets in a row agree on it (A.1), so that one stray packet does not.
type Window struct {
	Lost uint64 // packets that were given up, ever
	Late uint64 // packets that came twice, or after they were given up
	Odd  uint64 // packets that were thrown away since they do not belong to the sequence

	started bool
	open    bool // the gap is being given up: what waits comes out as it stands
	next    uint16
	ssrc    uint32
	odd     odd
	since   int64 // when the first of those that wait came, ns
	count   int
	slots   [Depth]slot // those that wait, by sequence
}

type slot struct {
	sequence uint16
	span     Span
}

// odd is the packet that would have to follow for a new beginning.
type odd struct {
	known bool
	next  uint16
	ssrc  uint32
}

// Push takes a packet that arrived at now, ns on any clock; Pop gives what can be taken
// by then and must be called until it has no more.
func (w *Window) Push(p *Packet, s Span, now int64) {
	if !w.started {
		w.begin(p)
	}
	ahead := int(int16(p.Sequence - w.next))
	if p.SSRC != w.ssrc || ahead > maxDropout || ahead < -maxMisorder {
		if !w.odd.known || w.odd.next != p.Sequence || w.odd.ssrc != p.SSRC {
			w.odd = odd{known: true, next: p.Sequence + 1, ssrc: p.SSRC}
			w.Odd++
			return
		}
		w.Lost += uint64(w.count) // of the sequence that is over
		w.count = 0
		w.begin(p)
		ahead = 0
	}
	w.odd.known = false
	if ahead < 0 {
		w.Late++
		return
	}
	w.insert(slot{p.Sequence, s}, now)
	w.open = w.count > 0 && (w.count == Depth || now-w.since >= MaxWait)
}

func (w *Window) begin(p *Packet) {
	w.started, w.open, w.next, w.ssrc, w.odd = true, false, p.Sequence, p.SSRC, odd{}
}

// insert puts a packet among those that wait; there is room for one, since a full window
// is emptied by Pop.
func (w *Window) insert(s slot, now int64) {
	i := w.count
	for i > 0 && int16(s.sequence-w.slots[i-1].sequence) < 0 {
		i--
	}
	if i > 0 && w.slots[i-1].sequence == s.sequence {
		w.Late++
		return
	}
	if w.count == Depth {
		return
	}
	if w.count == 0 {
		w.since = now
	}
	copy(w.slots[i+1:w.count+1], w.slots[i:w.count])
	w.slots[i] = s
	w.count++
}

// Flush gives up the gap: Pop gives all that waits. It is for the end of the input.
func (w *Window) Flush() { w.open = w.count > 0 }

// Pop gives the next payload in order, if it may be taken.
func (w *Window) Pop() (Span, bool) {
	if w.count == 0 || !w.open && w.slots[0].sequence != w.next {
		return Span{}, false
	}
	s := w.slots[0]
	w.Lost += uint64(s.sequence - w.next)
	w.next = s.sequence + 1
	w.count--
	copy(w.slots[:w.count], w.slots[1:w.count+1])
	w.open = w.open && w.count > 0
	return s.span, true
}

// Oldest gives the lowest offset among those that wait.
func (w *Window) Oldest() (offset uint64, ok bool) {
	for _, s := range w.slots[:w.count] {
		if !ok || s.span.Offset < offset {
			offset, ok = s.span.Offset, true
		}
	}
	return offset, ok
}

const (
	fixedSize = 3*8 + 2 + 2 + 2 + 2 + 4 + 4 + 8
	slotSize  = 2 + 8 + 4
	// MaxStateSize is the longest that AppendBinary writes, bytes.
	MaxStateSize = fixedSize + Depth*slotSize
)

const (
	bitStarted = 1 << iota
	bitOdd
	bitOpen
)

// AppendBinary appends the state: counters, bits, numbers, then those that wait, all
// little-endian.
func (w *Window) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	for _, n := range [...]uint64{w.Lost, w.Late, w.Odd} {
		b = le.AppendUint64(b, n)
	}
	bits := uint16(0)
	for i, set := range [...]bool{w.started, w.odd.known, w.open} {
		if set {
			bits |= 1 << i
		}
	}
	b = le.AppendUint16(b, bits)
	b = le.AppendUint16(b, uint16(w.count))
	b = le.AppendUint16(b, w.next)
	b = le.AppendUint16(b, w.odd.next)
	b = le.AppendUint32(b, w.ssrc)
	b = le.AppendUint32(b, w.odd.ssrc)
	b = le.AppendUint64(b, uint64(w.since))
	for _, s := range w.slots[:w.count] {
		b = le.AppendUint16(b, s.sequence)
		b = le.AppendUint64(b, s.span.Offset)
		b = le.AppendUint32(b, s.span.Size)
	}
	return b, nil
}

// UnmarshalBinary reads what AppendBinary wrote, and nothing else.
func (w *Window) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) < fixedSize {
		return ErrState
	}
	*w = Window{Lost: le.Uint64(b), Late: le.Uint64(b[8:]), Odd: le.Uint64(b[16:])}
	bits, count := le.Uint16(b[24:]), int(le.Uint16(b[26:]))
	if bits > bitStarted|bitOdd|bitOpen || count > Depth || len(b) != fixedSize+count*slotSize {
		return ErrState
	}
	w.started, w.odd.known, w.open = bits&bitStarted != 0, bits&bitOdd != 0, bits&bitOpen != 0
	w.count, w.next, w.odd.next = count, le.Uint16(b[28:]), le.Uint16(b[30:])
	w.ssrc, w.odd.ssrc, w.since = le.Uint32(b[32:]), le.Uint32(b[36:]), int64(le.Uint64(b[40:]))
	for i := range w.slots[:count] {
		s := b[fixedSize+i*slotSize:]
		w.slots[i] = slot{le.Uint16(s), Span{le.Uint64(s[2:]), le.Uint32(s[10:])}}
		if i > 0 && int16(w.slots[i].sequence-w.slots[i-1].sequence) <= 0 {
			return ErrState
		}
	}
	if !w.isSound() {
		return ErrState
	}
	return nil
}

// isSound tells whether a state is one that Push and Pop can have left.
func (w *Window) isSound() bool {
	if w.count == 0 {
		return !w.open
	}
	first, last := int16(w.slots[0].sequence-w.next), int16(w.slots[w.count-1].sequence-w.next)
	return w.started && first >= 0 && last >= first && last <= maxDropout
}
