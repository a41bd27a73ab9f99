package record

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
)

// maxMasked bounds a header field's value that is masked, in bytes (chosen: as long as a plugin may hand one over, spec.md 6.25).
const maxMasked = 8 << 10

// fieldEnd is how the fields end that hold credentials: Authorization and Proxy-Authorization (RFC 9110 11.6.2, 11.7.2; RFC 2326 12.5).
var fieldEnd = []byte("authorization:")

// Masked gives a frame with each character of credentials replaced by '*': in values of Authorization and Proxy-Authorization wherever they stand in
// text, behind the scheme's name, and in LOGIN, and what is dialled with (maskDialled). All lengths stay, so that a replay goes as the original did; a frame without credentials is given as it is. The frame
// itself is not changed.
func Masked(frame []byte) []byte {
	out := frame
	for at := 0; at < len(frame); {
		i := indexFold(frame[at:], fieldEnd)
		if i < 0 {
			break
		}
		at += i + len(fieldEnd)
		from, to := secretIn(frame[at:min(len(frame), at+maxMasked)])
		if from < to {
			out = own(out, frame)
			cover(out[at+from : at+to])
		}
		at += to
	}
	return maskLogins(maskDialled(out, frame), frame)
}

// maskLogins masks what plugins hand over by LOGIN; out is frame, or a copy of it.
func maskLogins(out, frame []byte) []byte {
	var r abi.Reader
	if r.Reset(out) != nil {
		return out
	}
	for {
		raw, ok, err := r.Next()
		if !ok || err != nil {
			return out
		}
		var l abi.Login
		if raw.Op != abi.OpLogin || r.Decode(raw, &l) != nil {
			continue
		}
		if from, to := secretIn(l.Authorization); from < to {
			if &out[0] == &frame[0] {
				return maskLogins(bytes.Clone(frame), frame)
			}
			cover(l.Authorization[from:to]) // it lies in out
		}
	}
}

// own gives out if it is a copy already, else one of frame.
func own(out, frame []byte) []byte {
	if &out[0] != &frame[0] {
		return out
	}
	return bytes.Clone(frame)
}

// secretIn finds what follows the scheme's name in a value, up to the line's end or whatever else is no text.
func secretIn(value []byte) (from, to int) {
	isBlank := func(c byte) bool { return c == ' ' || c == '\t' }
	for from < len(value) && isBlank(value[from]) {
		from++
	}
	for from < len(value) && value[from] > ' ' {
		from++
	}
	for from < len(value) && isBlank(value[from]) {
		from++
	}
	for to = from; to < len(value) && (value[to] >= ' ' || value[to] == '\t'); {
		to++
	}
	return from, to
}

func cover(b []byte) {
	for i := range b {
		b[i] = '*'
	}
}

// indexFold finds lower-case ASCII text in b, whatever the case there.
func indexFold(b, text []byte) int {
	last := text[len(text)-1] // a colon, which has no case
	for at := len(text) - 1; at < len(b); {
		i := bytes.IndexByte(b[at:], last)
		if i < 0 {
			return -1
		}
		at += i
		if bytes.EqualFold(b[at-len(text)+1:at+1], text) {
			return at - len(text) + 1
		}
		at++
	}
	return -1
}
