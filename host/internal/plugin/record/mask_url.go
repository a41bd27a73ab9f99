package record

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
)

// maskDialled masks what leads to other computers: the user and the password of a URL, as the source of a point may have them, and the Authorization
// that a plugin sends there by DIAL; out is frame, or a copy of it. A plugin that keeps such a URL in its state keeps it as a URL, so that it is found there.
func maskDialled(out, frame []byte) []byte {
	mark := []byte("://")
	for at := 0; ; {
		i := bytes.Index(frame[at:], mark)
		if i < 0 {
			break
		}
		scheme := frame[:at+i]
		at += i + len(mark)
		if n := userIn(frame[at:min(len(frame), at+maxMasked)]); n > 0 && !isFlow(scheme) {
			out = own(out, frame)
			coverUser(out[at : at+n])
		}
	}
	return maskDials(out, frame)
}

// isFlow tells text that ends in a scheme whose URLs have an address before the "@" (spec.md 6.17).
func isFlow(b []byte) bool {
	for _, s := range []string{"udp", "rtp"} {
		if len(b) >= len(s) && bytes.EqualFold(b[len(b)-len(s):], []byte(s)) {
			return true
		}
	}
	return false
}

// userIn gives the length of what stands before the "@" in an authority (RFC 3986 3.2), 0 if there is none.
func userIn(b []byte) int {
	end := bytes.IndexFunc(b, func(c rune) bool { return c <= ' ' || c == '/' || c == '?' || c == '#' || c == '"' || c == 0x7F })
	if end < 0 {
		end = len(b)
	}
	return max(0, bytes.LastIndexByte(b[:end], '@'))
}

// coverUser puts asterisks in the place of characters, decoded ones too, so that as many are decoded as before.
func coverUser(b []byte) {
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '%' && i+2 < len(b):
			copy(b[i:], "%2A")
			i += 2
		case b[i] != ':':
			b[i] = '*'
		}
	}
}

func maskDials(out, frame []byte) []byte {
	var r abi.Reader
	if r.Reset(out) != nil {
		return out
	}
	for {
		raw, ok, err := r.Next()
		if !ok || err != nil {
			return out
		}
		var d abi.Dial
		if raw.Op != abi.OpDial || r.Decode(raw, &d) != nil {
			continue
		}
		for f := range d.Fields.All() {
			name := fieldEnd[:len(fieldEnd)-1] // without its colon
			if len(f.Name) < len(name) || !bytes.EqualFold(f.Name[len(f.Name)-len(name):], name) {
				continue
			}
			if from, to := secretIn(f.Value); from < to {
				if &out[0] == &frame[0] {
					return maskDials(bytes.Clone(frame), frame)
				}
				cover(f.Value[from:to]) // it lies in out
			}
		}
	}
}
