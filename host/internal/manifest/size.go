package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written "32MiB", "64KiB", "1GiB", "512B" or as a bare number of bytes.
type Size uint64

// Binary multiples.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var sizeUnits = []struct {
	suffix string
	size   Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}, {"", 1}}

// ParseSize reads a size. Decimal units (MB) are refused, since they are so often meant as binary ones.
func ParseSize(s string) (Size, error) {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n > math.MaxUint64/uint64(u.size) {
			break
		}
		return Size(n) * u.size, nil
	}
	return 0, fmt.Errorf("%q is not a size; write a whole number with B, KiB, MiB or GiB, as in 32MiB", s)
}

// String writes the size in the largest unit that divides it, so that ParseSize reads it back.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatUint(uint64(s/u.size), 10) + u.suffix
		}
	}
	return "0B"
}
