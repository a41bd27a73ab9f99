package rtsp

import (
	"strconv"

	"github.com/weir-media/weir/sdk/httptext"
)

// Pair is two ports or channels: of RTP, and of RTCP. The zero value is none.
type Pair struct {
	RTP, RTCP uint16
	Set       bool
}

// Lower is the protocol that carries RTP.
type Lower uint8

// The lower transports of RTP/AVP (12.39).
const (
	Other Lower = iota // another protocol than RTP/AVP, whose parameters mean nothing here
	Plain              // RTP/AVP: UDP by default
	UDP                // RTP/AVP/UDP
	TCP                // RTP/AVP/TCP
)

var lowerNames = [...]string{Other: "", Plain: "RTP/AVP", UDP: "RTP/AVP/UDP", TCP: "RTP/AVP/TCP"}

// Transport is one way to send media, as a Transport field lists it (12.39). Its slices
// are views. The zero value is none.
type Transport struct {
	Lower       Lower
	Multicast   bool // without it unicast, whatever RFC 2326 says of the default: players mean that
	Record      bool // mode=record, quoted or not
	HasSSRC     bool
	SSRC        uint32
	Destination []byte // of media; players that name one are not trusted with it
	Interleaved Pair   // channels; at most 255
	ClientPort  Pair
	ServerPort  Pair
	Port        Pair // of a multicast group
	TTL         uint8
}

// NextTransport gives the first transport of a Transport field's value, and what follows
// it. Parameters that it does not know, and those whose value is none, are passed over.
func NextTransport(list []byte) (t Transport, rest []byte, ok bool) {
	spec, rest, ok := httptext.NextToken(list)
	if !ok {
		return Transport{}, nil, false
	}
	head, tail := nextParameter(spec)
	for l := Plain; l <= TCP; l++ {
		if httptext.EqualFold(head, lowerNames[l]) {
			t.Lower = l
		}
	}
	for len(tail) > 0 {
		var parameter []byte
		parameter, tail = nextParameter(tail)
		t.take(httptext.NameValue(parameter))
	}
	return t, rest, true
}

// nextParameter cuts at the first semicolon outside quotes.
func nextParameter(b []byte) (head, rest []byte) {
	quoted := false
	for i, c := range b {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return httptext.Trim(b[:i]), b[i+1:]
		}
	}
	return httptext.Trim(b), nil
}

func (t *Transport) take(name, value []byte) {
	const channels, ports = 0xFF, 0xFFFF
	switch {
	case httptext.EqualFold(name, "multicast"):
		t.Multicast = true
	case httptext.EqualFold(name, "mode"):
		t.Record = httptext.EqualFold(value, "record") || httptext.EqualFold(value, "receive")
	case httptext.EqualFold(name, "interleaved"):
		t.Interleaved = pair(value, 0, channels)
	case httptext.EqualFold(name, "client_port"):
		t.ClientPort = pair(value, 1, ports)
	case httptext.EqualFold(name, "server_port"):
		t.ServerPort = pair(value, 1, ports)
	case httptext.EqualFold(name, "port"):
		t.Port = pair(value, 1, ports)
	case httptext.EqualFold(name, "destination"):
		t.Destination = value
	case httptext.EqualFold(name, "ttl"):
		if n, ok := httptext.Uint(value); ok && n <= 0xFF {
			t.TTL = uint8(n)
		}
	case httptext.EqualFold(name, "ssrc"):
		if n, ok := httptext.Hex(value); ok && n <= 0xFFFFFFFF {
			t.SSRC, t.HasSSRC = uint32(n), true
		}
	}
}

// pair reads `a-b`, or `a`, behind which b is a+1.
func pair(v []byte, least, most uint64) Pair {
	a, rest, ok := httptext.LeadingUint(v)
	b := a + 1
	if len(rest) > 0 && rest[0] == '-' {
		var second bool
		b, rest, second = httptext.LeadingUint(rest[1:])
		ok = ok && second
	}
	if !ok || len(rest) > 0 || a < least || a > most || b < least || b > most {
		return Pair{}
	}
	return Pair{RTP: uint16(a), RTCP: uint16(b), Set: true}
}

// Append appends the transport as an answer says it; what is not set is left out. The
// destination must be an address.
func (t *Transport) Append(dst []byte) []byte {
	dst = append(dst, lowerNames[t.Lower%(TCP+1)]...)
	if t.Multicast {
		dst = append(dst, ";multicast"...)
	} else {
		dst = append(dst, ";unicast"...)
	}
	if len(t.Destination) > 0 {
		dst = append(append(dst, ";destination="...), t.Destination...)
	}
	dst = t.Interleaved.append(dst, ";interleaved=")
	dst = t.ClientPort.append(dst, ";client_port=")
	dst = t.ServerPort.append(dst, ";server_port=")
	dst = t.Port.append(dst, ";port=")
	if t.TTL > 0 {
		dst = strconv.AppendUint(append(dst, ";ttl="...), uint64(t.TTL), 10)
	}
	if t.HasSSRC {
		dst = AppendSSRC(append(dst, ";ssrc="...), t.SSRC)
	}
	if t.Record {
		dst = append(dst, ";mode=record"...)
	}
	return dst
}

func (p Pair) append(dst []byte, name string) []byte {
	if !p.Set {
		return dst
	}
	dst = strconv.AppendUint(append(dst, name...), uint64(p.RTP), 10)
	return strconv.AppendUint(append(dst, '-'), uint64(p.RTCP), 10)
}

// AppendSSRC appends a synchronisation source as eight hexadecimal digits (12.39).
func AppendSSRC(dst []byte, n uint32) []byte {
	const digits = "0123456789ABCDEF"
	for shift := 28; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&0xF])
	}
	return dst
}
