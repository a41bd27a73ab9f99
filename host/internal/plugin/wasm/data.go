package wasm

// maxFill is how many zeros may join two data segments; chosen. Go's linker leaves out runs of zeros: a plugin of 2 MiB has 26,000 segments, of which
// wazero keeps 14,000 objects, and a slice each for every instance. With up to 64 zeros between them they are nine.
const maxFill = 64

// data copies the data segments (WebAssembly 2.0, 5.5.14). With join, those that follow each other in memory become one, with zeros where nothing was
// written: for modules in which nothing refers to a segment by its index. Their memory is their own, so it is zero before.
func (w *rewriter) data(r *reader, n int, join bool) []byte {
	s := segments{fill: r.left()}
	for range n {
		flag := r.u32()
		head := appendU32(nil, flag)
		at, fixed := uint64(0), false
		switch flag {
		case 0:
			from := r.pos
			head = w.expression(r, head)
			at, fixed = constantOf(r.b[from:r.pos])
		case 1:
		case 2:
			head = appendU32(head, r.u32())
			head = w.expression(r, head)
		default:
			r.foreign("data segment %d", flag)
		}
		b := r.take(r.u32())
		if r.err != nil {
			return nil
		}
		if !join || !fixed || !s.join(at, b) {
			s.begin(head, b, at, fixed)
		}
	}
	s.end()
	return append(appendU32(nil, s.count), s.out...)
}

// segments are those written so far, the last of which may still grow.
type segments struct {
	out     []byte
	count   uint32
	head    []byte // of the last: all but its bytes; nil: there is none
	bytes   []byte
	last    extent
	extents []extent // of those before it
	lost    bool     // they may also be elsewhere
	fill    int      // zeros that may still be written, so that a module cannot be made much larger
}

// extent is a part of memory, from the first address to before the second.
type extent struct{ from, to uint64 }

// maxExtents bounds what is looked through; chosen: Go's linker needs five.
const maxExtents = 64

// begin begins a segment, at an address if that is known.
func (s *segments) begin(head, b []byte, address uint64, known bool) {
	if !s.lost && s.head != nil {
		s.extents = append(s.extents, s.last)
	}
	s.end()
	s.head, s.bytes = head, b[:len(b):len(b)]
	s.last = extent{address, address + uint64(len(b))}
	s.lost = s.lost || !known || len(s.extents) > maxExtents
	s.count++
}

// join puts b behind the last segment if it comes next in memory and nothing has been written between the two.
func (s *segments) join(address uint64, b []byte) bool {
	if s.head == nil || s.lost || address < s.last.to || address-s.last.to > uint64(min(maxFill, s.fill)) {
		return false
	}
	gap := int(address - s.last.to)
	for _, x := range s.extents {
		if gap > 0 && x.from < address && x.to > s.last.to {
			return false
		}
	}
	s.fill -= gap
	s.bytes = append(append(s.bytes, make([]byte, gap)...), b...)
	s.last.to = address + uint64(len(b))
	return true
}

func (s *segments) end() {
	if s.head == nil {
		return
	}
	s.out = append(s.out, s.head...)
	s.out = append(appendU32(s.out, uint32(len(s.bytes))), s.bytes...)
	s.head = nil
}

// constantOf gives the address that a constant expression is, if it is no more than a number.
func constantOf(expression []byte) (address uint64, ok bool) {
	if len(expression) < 3 || expression[0] != opI32Const || expression[len(expression)-1] != opEnd {
		return 0, false
	}
	digits := expression[1 : len(expression)-1]
	var v uint64
	for i, c := range digits {
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c&0x40 != 0 && i < 4 {
				v |= ^uint64(0) << (7 * (i + 1)) // a negative number is a high address
			}
			fits := i < 4 || i == 4 && (c&0x78 == 0 || c&0x78 == 0x78) // else it is no number of 32 bits, and wazero says so
			return uint64(uint32(v)), fits && i == len(digits)-1
		}
	}
	return 0, false
}
