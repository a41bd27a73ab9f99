package main

import (
	"encoding/binary"
	"math/bits"
)

// MD5 is written out here, since the standard library's brings several hundred kilobytes
// of self-tests into a module. It serves HTTP Digest alone, whose servers know no other.

// shifts are the four of each round (RFC 1321 3.4).
var shifts = [4][4]int{{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}

// sines are floor(2^32 · |sin(i+1)|) (RFC 1321 3.4).
var sines = [64]uint32{
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
}

// md5 gives the digest of b (RFC 1321).
func md5(b []byte) (sum [16]byte) {
	le := binary.LittleEndian
	padded := append(append([]byte(nil), b...), 0x80)
	for len(padded)%64 != 56 {
		padded = append(padded, 0)
	}
	padded = le.AppendUint64(padded, 8*uint64(len(b)))
	state := [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	for ; len(padded) > 0; padded = padded[64:] {
		md5Block(&state, padded)
	}
	for i, x := range state {
		le.PutUint32(sum[4*i:], x)
	}
	return sum
}

func md5Block(state *[4]uint32, block []byte) {
	a, b, c, d := state[0], state[1], state[2], state[3]
	for i := range 64 {
		var f uint32
		at := i
		switch i / 16 {
		case 0:
			f = b&c | ^b&d
		case 1:
			f, at = d&b|^d&c, 5*i+1
		case 2:
			f, at = b^c^d, 3*i+5
		default:
			f, at = c^(b|^d), 7*i
		}
		f += a + sines[i] + binary.LittleEndian.Uint32(block[4*(at%16):])
		a, d, c, b = d, c, b, b+bits.RotateLeft32(f, shifts[i/16][i%4])
	}
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
}

const hexDigits = "0123456789abcdef"

func appendHex(dst, b []byte) []byte {
	for _, x := range b {
		dst = append(dst, hexDigits[x>>4], hexDigits[x&15])
	}
	return dst
}

// hashed is the MD5, in hexadecimal, of parts joined by colons.
func hashed(parts ...[]byte) []byte {
	var b []byte
	for i, x := range parts {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, x...)
	}
	sum := md5(b)
	return appendHex(nil, sum[:])
}
