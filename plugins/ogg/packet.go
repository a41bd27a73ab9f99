package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/ogg"
)

// emit sends a page of media. Where its serial number or its time moves, or where it says
// that it is the last one, which only the rendition's end may say, it gets another head.
func (s *state) emit(l *logical, p *ogg.Page, b []byte, offset uint64, v *sdk.Verdicts) {
	begin, end := l.times(p)
	l.end = end
	moved, jumped := s.clock.place(begin, end)
	if moved {
		for i := range s.streams {
			m := &s.streams[i]
			m.shift = m.timing.Granules(s.clock.shift) - m.timing.Granules(-s.clock.shift)
		}
	}
	k := abi.Packet{PTS: s.clock.dts, DTS: s.clock.dts, Duration: end - begin, Track: l.number(s)}
	if s.isKey(l, p, b) {
		k.Flags |= abi.PacketKey
	}
	if jumped {
		k.Duration = 0
	}
	if s.mark || jumped {
		k.Flags |= abi.PacketDiscontinuity
		s.mark = false
	}
	out := *p
	out.Flags &^= ogg.Last
	out.Serial = l.out
	if p.Granule != ogg.NoGranule {
		out.Granule = max(p.Granule+l.shift, 0)
	}
	pieces := v.Pieces()
	if out == *p {
		pieces.Input(offset, p.Size)
	} else {
		head := out.Rewrite(b)
		pieces.Literal(head[:])
		if p.Size > ogg.HeadSize {
			pieces.Input(offset+ogg.HeadSize, p.Size-ogg.HeadSize)
		}
	}
	v.Packet(k, pieces)
}

// times are those at which a page begins, where the stream's last one ended, and ends.
func (l *logical) times(p *ogg.Page) (begin, end int64) {
	end = max(l.end, 0)
	if p.Granule != ogg.NoGranule {
		end = l.timing.Nanoseconds(p.Granule)
	}
	switch {
	case l.end != none:
		begin = min(l.end, end)
	case end >= near: // it was cut off from something longer
		begin = end
	}
	return begin, end
}

// number counts the streams of a chain from 1.
func (l *logical) number(s *state) uint16 {
	for i := range s.streams {
		if &s.streams[i] == l {
			return uint16(i + 1)
		}
	}
	return 0
}

// isKey decides whether players may begin at the page that was just placed: one of the
// first stream of pictures, or where there is none of the first stream; and where none was
// for long, any.
func (s *state) isKey(l *logical, p *ogg.Page, b []byte) bool {
	main := &s.streams[0]
	for i := range s.streams {
		if s.streams[i].timing.IsVideo() {
			main = &s.streams[i]
			break
		}
	}
	if (l != main || !l.isEntry(p, b)) && s.clock.dts-s.clock.key < rare {
		return false
	}
	s.clock.key = s.clock.dts
	return true
}

// isEntry tells whether a decoder can begin on a page. Of pictures, a key frame begins
// anywhere on it: not all encoders begin a page for one. Sound begins with the page.
func (l *logical) isEntry(p *ogg.Page, b []byte) bool {
	isNew := p.Flags&ogg.Continued == 0
	if !l.timing.IsVideo() {
		return isNew && p.Segments > 0
	}
	body := p.Body(b)
	for _, size := range p.Table(b) {
		if isNew && l.timing.IsKey(body[:size]) {
			return true
		}
		body, isNew = body[size:], size < 255
	}
	return false
}
