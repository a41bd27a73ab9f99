package ogg

import "bytes"

// MaxStreams bounds the logical streams of a header that are looked at. Chosen: more than
// players offer.
const MaxStreams = 8

// header is what the pages of a header say, by logical stream.
type header struct {
	n       int
	streams [MaxStreams]struct {
		serial uint32
		timing Timing
	}
}

// readHeader lists the logical streams that the pages of a header begin, in their order.
// Pages that are damaged, or not whole, end it.
func readHeader(b []byte) (h header) {
	for len(b) > 0 && h.n < MaxStreams {
		p, need, err := ParsePage(b)
		if err != nil || need > 0 {
			return h
		}
		if p.Flags&First != 0 {
			if t, ok := Identify(p.FirstPacket(b)); ok {
				h.streams[h.n].serial, h.streams[h.n].timing = p.Serial, t
				h.n++
			}
		}
		b = b[p.Size:]
	}
	return h
}

// Serials appends the serial numbers of the logical streams that a header begins and whose
// codec is known, in their order.
func Serials(out []uint32, b []byte) []uint32 {
	h := readHeader(b)
	for i := range h.streams[:h.n] {
		out = append(out, h.streams[i].serial)
	}
	return out
}

// MediaType names what a header announces (RFC 5334 10); empty if it is none.
func MediaType(b []byte) string {
	h := readHeader(b)
	if h.n == 0 {
		return ""
	}
	for i := range h.streams[:h.n] {
		if h.streams[i].timing.IsVideo() {
			return "video/ogg"
		}
	}
	return "audio/ogg"
}

// Compatible tells whether a decoder that was set up by header a can go on with what
// follows header b: the same streams in the same order. Serial numbers and comments do not
// count.
func Compatible(a, b []byte) bool {
	x, y := readHeader(a), readHeader(b)
	if x.n == 0 || x.n != y.n {
		return false
	}
	for i := range x.streams[:x.n] {
		if x.streams[i].timing != y.streams[i].timing ||
			!bytes.Equal(essence(nil, a, x.streams[i].serial, x.streams[i].timing), essence(nil, b, y.streams[i].serial, y.streams[i].timing)) {
			return false
		}
	}
	return true
}

// essence appends what sets up the decoder of one logical stream: the first packet and, of
// codecs that have one, the setup packet behind the comments.
func essence(out, b []byte, serial uint32, t Timing) []byte {
	setup := t.Codec == Vorbis || t.Codec == Theora
	packet := 0
	for {
		p, need, err := ParsePage(b)
		if err != nil || need > 0 {
			return out
		}
		body := p.Body(b)
		for _, size := range p.Table(b) {
			if p.Serial != serial {
				break
			}
			if packet == 0 || packet == 2 && setup {
				out = append(out, body[:size]...)
			}
			if body = body[size:]; size < 255 {
				packet++
			}
		}
		b = b[p.Size:]
	}
}
