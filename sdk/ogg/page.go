package ogg

import (
	"encoding/binary"
	"errors"
)

// Flags of a page (RFC 3533 6, header_type_flag).
const (
	Continued = 1 << iota // its first packet began on an earlier page
	First                 // of its logical stream
	Last                  // likewise
)

// Sizes in bytes (RFC 3533 6).
const (
	HeadSize = 27 // without the segment table
	MaxPage  = HeadSize + 255 + 255*255
)

// NoGranule is the granule position of a page on which no packet ends (RFC 3533 6).
const NoGranule = -1

// ErrSyntax says that bytes are no page.
var ErrSyntax = errors.New("no Ogg page stands there")

// Page is a page's head.
type Page struct {
	Flags    byte
	Granule  int64
	Serial   uint32 // of its logical stream
	Sequence uint32
	Segments int // in the segment table
	Size     int // of the whole page
}

// ParsePage reads the head of the page at the start of b. While need is not 0 it wants
// that many more bytes; with need 0 the whole page is there.
func ParsePage(b []byte) (p Page, need int, err error) {
	const magic = "OggS\x00" // capture pattern and version 0
	n := min(len(b), len(magic))
	if string(b[:n]) != magic[:n] {
		return Page{}, 0, ErrSyntax
	}
	if len(b) < HeadSize {
		return Page{}, HeadSize - len(b), nil
	}
	p = Page{
		Flags: b[5], Granule: int64(binary.LittleEndian.Uint64(b[6:])),
		Serial: binary.LittleEndian.Uint32(b[14:]), Sequence: binary.LittleEndian.Uint32(b[18:]),
		Segments: int(b[26]),
	}
	p.Size = HeadSize + p.Segments
	if len(b) < p.Size {
		return Page{}, p.Size - len(b), nil
	}
	for _, n := range b[HeadSize:p.Size] {
		p.Size += int(n)
	}
	if len(b) < p.Size {
		return Page{}, p.Size - len(b), nil
	}
	return p, 0, nil
}

// Table gives the segment table of a whole page, Body what follows it.
func (p *Page) Table(b []byte) []byte { return b[HeadSize : HeadSize+p.Segments] }

// Body gives the packets of a whole page, one after another.
func (p *Page) Body(b []byte) []byte { return b[HeadSize+p.Segments : p.Size] }

// Ends counts the packets that end on a page (RFC 3533 5: a lacing value below 255 ends
// one).
func (p *Page) Ends(b []byte) (n int) {
	for _, size := range p.Table(b) {
		if size < 255 {
			n++
		}
	}
	return n
}

// FirstPacket gives as much of the first packet as lies on the page.
func (p *Page) FirstPacket(b []byte) []byte {
	n := 0
	for _, size := range p.Table(b) {
		n += int(size)
		if size < 255 {
			break
		}
	}
	return p.Body(b)[:n]
}

// table holds the CRC of each byte (RFC 3533 6: the polynomial 0x04C11DB7, highest bit
// first, neither complemented at the beginning nor at the end).
var table = makeTable()

func makeTable() (t [256]uint32) {
	const polynomial = 0x04C11DB7
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&(1<<31) != 0 {
				r = r<<1 ^ polynomial
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}

func crc(r uint32, b []byte) uint32 {
	for _, c := range b {
		r = r<<8 ^ table[byte(r>>24)^c]
	}
	return r
}

// Head is the first HeadSize bytes of a page.
type Head [HeadSize]byte

// Rewrite gives the head that stands before rest, which is what follows it in a whole
// page, with the flags, granule position and serial number of p.
func (p *Page) Rewrite(b []byte) (h Head) {
	copy(h[:], b)
	h[5] = p.Flags
	binary.LittleEndian.PutUint64(h[6:], uint64(p.Granule))
	binary.LittleEndian.PutUint32(h[14:], p.Serial)
	binary.LittleEndian.PutUint32(h[18:], p.Sequence)
	binary.LittleEndian.PutUint32(h[22:], 0)
	binary.LittleEndian.PutUint32(h[22:], crc(crc(0, h[:]), b[HeadSize:p.Size]))
	return h
}
