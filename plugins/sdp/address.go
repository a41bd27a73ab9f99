package main

import (
	"bytes"
	"strconv"

	"github.com/weir-media/weir/sdk"
)

// appendAddress appends the 4 or 16 bytes of an address that the host wrote in figures
// (RFC 5952); ok is false if it is none. There is no zone, and no IPv4 inside of IPv6 but
// in the manner of the latter.
func appendAddress(b, text []byte) (_ []byte, ok bool) {
	if !isSix(text) {
		return appendFour(b, text)
	}
	head, tail, hasGap := bytes.Cut(text, []byte("::"))
	before, okBefore := appendGroups(nil, head)
	after, okAfter := appendGroups(nil, tail)
	gap := 16 - len(before) - len(after)
	if !okBefore || !okAfter || hasGap != (gap > 0) || gap < 0 {
		return b, false
	}
	b = append(b, before...)
	for range gap {
		b = append(b, 0)
	}
	return append(b, after...), true
}

func appendFour(b, text []byte) (_ []byte, ok bool) {
	rest, n := text, 0
	for more := true; more; n++ {
		var part []byte
		part, rest, more = bytes.Cut(rest, []byte("."))
		x, err := strconv.ParseUint(sdk.String(part), 10, 8)
		if err != nil || n == 4 || len(part) > 1 && part[0] == '0' || part[0] == '+' {
			return b, false
		}
		b = append(b, byte(x))
	}
	return b, n == 4
}

// appendGroups appends groups of 16 bits in hexadecimal.
func appendGroups(b, text []byte) (_ []byte, ok bool) {
	rest := text
	for more := len(text) > 0; more; {
		var part []byte
		part, rest, more = bytes.Cut(rest, []byte(":"))
		x, err := strconv.ParseUint(sdk.String(part), 16, 16)
		if err != nil || len(part) > 4 || part[0] == '+' || len(b) == 16 {
			return b, false
		}
		b = append(b, byte(x>>8), byte(x))
	}
	return b, true
}
