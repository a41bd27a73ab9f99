package main

import (
	"strconv"
	"unicode/utf8"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// Types of control packets (2.2.1).
const (
	connect     = 1
	connack     = 2
	publishing  = 3
	subscribe   = 8
	suback      = 9
	unsubscribe = 10
	unsuback    = 11
	pingreq     = 12
	pingresp    = 13
	disconnect  = 14
)

const (
	maxBody    = 4096 // bytes of one packet behind its head; chosen: far above what a name needs
	maxFilters = 16   // of one SUBSCRIBE; chosen
)

// packet is a control packet. Its body is a view of the input.
type packet struct {
	kind int
	body []byte
	size int // of all of it
}

// parse reads the packet at the beginning of b. need is not 0 when so many bytes must be there before it can go on.
func parse(b []byte) (p packet, need int, err error) {
	if len(b) < 2 {
		return p, 2, nil
	}
	p.kind = int(b[0] >> 4)
	// 2.2.2: flags are reserved everywhere but in PUBLISH, which is refused for itself
	if flags, want := b[0]&15, byte(0); p.kind != publishing {
		if p.kind == subscribe || p.kind == unsubscribe {
			want = 2
		}
		if flags != want {
			return p, 0, malformed("flags " + strconv.Itoa(int(flags)) + " in a packet of type " + digit(p.kind) + " (2.2.2)")
		}
	}
	length, at := 0, 1
	for shift := 0; ; shift += 7 { // 2.2.3
		if at == len(b) {
			return p, at + 1, nil
		}
		length |= int(b[at]&0x7F) << shift
		at++
		if b[at-1]&0x80 == 0 {
			break
		}
		if at == 5 {
			return p, 0, malformed("a remaining length of five bytes (2.2.3)")
		}
	}
	if length > maxBody {
		return p, 0, malformed("a packet of " + strconv.Itoa(length) + " bytes; this broker takes " + strconv.Itoa(maxBody))
	}
	p.size = at + length
	if len(b) < p.size {
		return p, p.size, nil
	}
	p.body = b[at:p.size]
	return p, 0, nil
}

// greeting is what this broker reads of a CONNECT.
type greeting struct {
	level       byte
	clean       bool
	anonymous   bool // the client has no identifier
	keepSeconds uint16
}

// Connect Flags (3.1.2.3).
const (
	flagReserved = 1 << iota
	flagClean
	flagWill
	_ // Will QoS, of two bits
	_
	flagWillRetain
	flagPassword
	flagName
	willQoS = 3 << 3
)

func parseConnect(body []byte) (c greeting, err error) {
	name, rest, ok := text(body)
	if !ok || string(name) != "MQTT" || len(rest) < 4 {
		return c, malformed("CONNECT does not name MQTT (3.1.2.1)")
	}
	c.level = rest[0]
	if c.level != 4 {
		return c, nil // of what follows nothing is known
	}
	flags := rest[1]
	c.clean = flags&flagClean != 0
	c.keepSeconds = uint16(rest[2])<<8 | uint16(rest[3])
	switch {
	case flags&flagReserved != 0,
		flags&flagWill == 0 && flags&(willQoS|flagWillRetain) != 0,
		flags&willQoS == willQoS,
		flags&flagName == 0 && flags&flagPassword != 0:
		return c, malformed("the flags of CONNECT contradict each other (3.1.2.3)")
	}
	id, rest, ok := text(rest[4:])
	c.anonymous = len(id) == 0
	for _, flag := range [...]byte{flagWill, flagWill, flagName, flagPassword} { // 3.1.3: Will Topic, Will Message, User Name, Password
		if ok && flags&flag != 0 {
			_, rest, ok = sized(rest)
		}
	}
	if !ok || len(rest) > 0 {
		return c, malformed("the payload of CONNECT is not what its flags say (3.1.3)")
	}
	return c, nil
}

// text reads a UTF-8 encoded string (1.5.3).
func text(b []byte) (s, rest []byte, ok bool) {
	s, rest, ok = sized(b)
	for _, c := range s {
		ok = ok && c != 0
	}
	return s, rest, ok && utf8.Valid(s)
}

// sized reads bytes behind their length of two bytes.
func sized(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, b, false
	}
	n := 2 + int(b[0])<<8 + int(b[1])
	if len(b) < n {
		return nil, b, false
	}
	return b[2:n], b[n:], true
}

func appendText(b []byte, s string) []byte {
	return append(append(b, byte(len(s)>>8), byte(len(s))), s...)
}

// appendLength writes a remaining length (2.2.3).
func appendLength(b []byte, n int) []byte {
	for ; n > 127; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func malformed(what string) error { return sdk.Fail(abi.EPROTO, what) }

func digit(kind int) string { return strconv.Itoa(kind) }
