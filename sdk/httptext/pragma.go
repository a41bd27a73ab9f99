package httptext

import "bytes"

// brokenTail is what ffmpeg sends without the line break that belongs before it.
const brokenTail = "Connection: Close"

const switchEntry = "stream-switch-entry"

// NextPragma returns the next `name=value` of a Pragma line (MS-WMSP 2.2.1.4) and what
// follows it. Value is nil without an equals sign. A stream-switch-entry takes all of
// its line. A header that was glued to a value for want of a line break, as ffmpeg
// does with `stream-time=0Connection: Close`, is cut from it.
func NextPragma(line []byte) (name, value, rest []byte, ok bool) {
	line = Trim(line)
	if i := len(switchEntry); HasPrefixFold(line, switchEntry) && i < len(line) && (line[i] == '=' || isBlank(line[i])) {
		name, value = NameValue(cutTail(line))
		return name, value, nil, true
	}
	token, rest, ok := NextToken(line)
	if !ok {
		return nil, nil, nil, false
	}
	name, value = NameValue(cutTail(token))
	return name, value, rest, true
}

func cutTail(b []byte) []byte {
	if i := len(b) - len(brokenTail); i > 0 && EqualFold(b[i:], brokenTail) {
		return b[:i]
	}
	return b
}

// Pragma returns the value of the first Pragma token with the name, in any of the
// Pragma lines. It is empty for a token without a value.
func Pragma(fields []Field, name string) (value []byte, ok bool) {
	for i := range fields {
		if !EqualFold(fields[i].Name, "Pragma") {
			continue
		}
		for line := fields[i].Value; ; {
			n, v, rest, more := NextPragma(line)
			if !more {
				break
			}
			if EqualFold(n, name) {
				return v, true
			}
			line = rest
		}
	}
	return nil, false
}

// PragmaUint returns the decimal number at the start of a Pragma token's value; what
// follows the digits is ignored.
func PragmaUint(fields []Field, name string) (n uint64, ok bool) {
	v, ok := Pragma(fields, name)
	if !ok {
		return 0, false
	}
	n, _, ok = LeadingUint(v)
	return n, ok
}

// Switch is one entry of stream-switch-entry (MS-WMSP 2.2.1.4): play stream Stream in
// place of Source.
type Switch struct {
	Source uint16 // 0xFFFF: none
	Stream uint16
	Thin   uint8 // 0 everything, 1 key frames only, 2 nothing
}

// NextSwitch returns the next entry of a stream-switch-entry's value, three hexadecimal
// numbers as in `ffff:1:0`, and what follows it. Entries are separated by blanks; one
// that is malformed is skipped.
func NextSwitch(v []byte) (e Switch, rest []byte, ok bool) {
	for {
		if v = Trim(v); len(v) == 0 {
			return Switch{}, nil, false
		}
		end := bytes.IndexByte(v, ' ')
		if end < 0 {
			end = len(v)
		}
		e, ok = parseSwitch(v[:end])
		v = v[end:]
		if ok {
			return e, v, true
		}
	}
}

func parseSwitch(b []byte) (Switch, bool) {
	var n [3]uint64
	for i := range n {
		part := b
		if i < 2 {
			j := bytes.IndexByte(b, ':')
			if j < 0 {
				return Switch{}, false
			}
			part, b = b[:j], b[j+1:]
		}
		var ok bool
		if n[i], ok = Hex(Trim(part)); !ok {
			return Switch{}, false
		}
	}
	if n[0] > 0xFFFF || n[1] > 0xFFFF || n[2] > 0xFF {
		return Switch{}, false
	}
	return Switch{uint16(n[0]), uint16(n[1]), uint8(n[2])}, true
}
