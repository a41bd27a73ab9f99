package main

import (
	"strconv"
	"unicode/utf16"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
)

// mediaType is what .nsc files are served as.
const mediaType = "application/x-ms-nsc"

func (p *plugin) document(e *abi.DocumentRequest, v *sdk.Verdicts) error {
	name := strconv.Quote(sdk.String(e.Point.Name))
	if e.Point.State == abi.PointUnknown {
		return sdk.Fail(abi.ENOENT, "no publishing point "+name)
	}
	group, ok := groupOf(e)
	if !ok {
		return sdk.Fail(abi.ENOENT, "publishing point "+name+" is sent to no group as "+rendition+" (multicast: {group: …, rendition: "+rendition+"})")
	}
	r, ok := e.Point.Renditions.Find(source)
	switch {
	case !ok && e.Point.State == abi.PointLive:
		return sdk.Fail(abi.ENOENT, "publishing point "+name+" has no ASF")
	case !ok || r.Generation == 0:
		return sdk.Fail(abi.EAGAIN, "the format of publishing point "+name+" is known when its encoder has begun; ask again then")
	case len(r.Header) == 0:
		return sdk.Fail(abi.ETOOBIG, "the ASF header of publishing point "+name+" is too long for an .nsc file")
	}
	size, need, err := asf.HeaderSize(r.Header)
	if err != nil || size == 0 || need > 0 {
		return sdk.Fail(abi.ENOENT, "the ASF header of publishing point "+name+" is not whole")
	}
	pieces := v.Pieces()
	pieces.Literal(p.station(nil, e, &group, formatOf(r.Generation), r.Header[:size]))
	v.Document(mediaType, 0, pieces)
	return nil
}

// groupOf is the best group that MSB is sent to.
func groupOf(e *abi.DocumentRequest) (abi.Endpoint, bool) {
	for p := range e.Endpoints.All() {
		if p.Kind == abi.EndpointMulticast && string(p.Rendition) == rendition {
			return p, true
		}
	}
	return abi.Endpoint{}, false
}

// station appends the file; its keys stand in a fixed order (wire digest §6.2).
func (p *plugin) station(b []byte, e *abi.DocumentRequest, group *abi.Endpoint, format uint16, header []byte) []byte {
	b = append(b, "[Address]\r\n"...)
	b = text(b, "Name", "weir,"+sdk.String(e.Point.Name))
	b = append(b, "NSC Format Version=3.0\r\n"...)
	if len(group.Local) > 0 {
		b = text(b, "Multicast Adapter", sdk.String(group.Local))
	}
	b = text(b, "IP Address", sdk.String(group.Group))
	b = number(b, "IP Port", uint32(group.Port))
	b = number(b, "Time To Live", uint32(group.TTL))
	b = number(b, "Default Ecc", 10)
	if url := unicastOf(e); url != "" {
		b = text(b, "Unicast URL", url)
	}
	b = number(b, "Allow Splitting", 1)
	b = number(b, "Allow Caching", 1)
	b = number(b, "Cache Expiration Time", 86_400) // s
	b = number(b, "Network Buffer Time", p.bufferMS)
	b = append(b, "[Formats]\r\nFormat1="...)
	b = append(block(b, uint32(format), header), "\r\n"...)
	return text(b, "Description1", string(sdk.Title(e)))
}

// unicastOf is what players open that no datagrams reach: mms rolls over by itself, then
// what Windows Media players read over HTTP.
func unicastOf(e *abi.DocumentRequest) string {
	best, rank := "", 0
	for p := range e.Endpoints.All() {
		r := 0
		switch scheme := string(p.Scheme); {
		case p.Kind != abi.EndpointUnicast:
		case scheme == "mms":
			r = 3
		case scheme == "http" && string(p.Rendition) == "mmsh":
			r = 2
		case scheme == "http" && string(p.Rendition) == source:
			r = 1
		}
		if r > rank {
			best, rank = string(p.URL), r
		}
	}
	return best
}

func number(b []byte, key string, n uint32) []byte {
	const digits = "0123456789ABCDEF"
	b = append(append(b, key...), "=0x"...)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return append(b, "\r\n"...)
}

// text appends a string as a block of UTF-16, little-endian, with its NUL.
func text(b []byte, key, s string) []byte {
	var wide []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	b = append(append(b, key...), '=')
	return append(block(b, 0, wide), "\r\n"...)
}

const (
	blockHead = 9    // bytes: CRC, key, length
	blockMark = "02" // the encoding's version
	alphabet  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz{}"
)

// block appends data as the file has it: an exclusive or of all that follows it, key and
// length (big-endian), and the data, six bits a character.
func block(b []byte, key uint32, data []byte) []byte {
	n := uint32(len(data))
	head := [blockHead]byte{0, byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	for _, c := range head[1:] {
		head[0] ^= c
	}
	for _, c := range data {
		head[0] ^= c
	}
	e := encoder{b: append(b, blockMark...)}
	for _, c := range head {
		e.put(c)
	}
	for _, c := range data {
		e.put(c)
	}
	return e.end()
}

// encoder writes six bits a character, the highest first.
type encoder struct {
	b     []byte
	bits  uint32
	count uint
}

func (e *encoder) put(c byte) {
	e.bits, e.count = e.bits<<8|uint32(c), e.count+8
	for e.count >= 6 {
		e.count -= 6
		e.b = append(e.b, alphabet[e.bits>>e.count&63])
	}
}

// end writes what is left of a character, filled up with zeros.
func (e *encoder) end() []byte {
	if e.count > 0 {
		e.b = append(e.b, alphabet[e.bits<<(6-e.count)&63])
	}
	return e.b
}
