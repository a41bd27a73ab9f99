package httptext

import "math"

// Uint reads b, all of it, as a decimal number. A sign, blanks and overflow are refused.
func Uint(b []byte) (uint64, bool) {
	n, rest, ok := LeadingUint(b)
	return n, ok && len(rest) == 0
}

// LeadingUint reads the decimal digits at the start of b and returns what follows them.
// It refuses b without a digit, and overflow.
func LeadingUint(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		d := uint64(b[i] - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, b, false
		}
		n = n*10 + d
	}
	return n, b[i:], i > 0
}

// Hex reads b, all of it, as a hexadecimal number without a prefix.
func Hex(b []byte) (uint64, bool) {
	n, rest, ok := LeadingHex(b)
	return n, ok && len(rest) == 0
}

// LeadingHex reads the hexadecimal digits at the start of b and returns what follows
// them. It refuses b without a digit, and overflow.
func LeadingHex(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b); i++ {
		d, digit := nibble(b[i])
		if !digit {
			break
		}
		if n>>60 != 0 {
			return 0, b, false
		}
		n = n<<4 | uint64(d)
	}
	return n, b[i:], i > 0
}

func nibble(c byte) (d byte, ok bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case lower(c)-'a' <= 5:
		return lower(c) - 'a' + 10, true
	}
	return 0, false
}
