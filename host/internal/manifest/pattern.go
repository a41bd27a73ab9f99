package manifest

import (
	"fmt"
	"math/bits"
)

// String writes the pattern as an error needs it.
func (p RawPattern) String() string {
	if len(p.Bytes) == 0 {
		return "anything"
	}
	text := fmt.Sprintf("% x at offset %d", p.Bytes, p.Offset)
	if p.Mask != nil {
		text += fmt.Sprintf(" under mask % x", p.Mask)
	}
	return text
}

// clashes tells whether some connection fits both patterns with nothing to choose between them: a listener takes the one that compares more bits.
func (p RawPattern) clashes(o RawPattern) bool {
	if p.significantBits() != o.significantBits() {
		return false
	}
	for at := max(p.Offset, o.Offset); at < min(p.Offset+len(p.Bytes), o.Offset+len(o.Bytes)); at++ {
		i, j := at-p.Offset, at-o.Offset
		if (p.Bytes[i]^o.Bytes[j])&p.mask(i)&o.mask(j) != 0 {
			return false
		}
	}
	return true
}

func (p RawPattern) mask(i int) byte {
	if p.Mask == nil {
		return 0xFF
	}
	return p.Mask[i]
}

func (p RawPattern) significantBits() (n int) {
	for i := range p.Bytes {
		n += bits.OnesCount8(p.mask(i))
	}
	return n
}
