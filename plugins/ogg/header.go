package main

import (
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/ogg"
)

// begin takes the first page of a logical stream. Those of all streams that play at the
// same time stand together; behind media a new chain begins with them (RFC 3533 4).
func (s *state) begin(p *ogg.Page, b []byte, offset uint64) error {
	if s.media {
		s.restart()
	}
	t, ok := ogg.Identify(p.FirstPacket(b))
	switch {
	case !ok:
		return nil
	case len(s.streams) == ogg.MaxStreams:
		return bad("it has more than 8 streams", offset)
	case s.find(p.Serial) != nil:
		return bad("two streams have one serial number", offset)
	}
	s.streams = append(s.streams, logical{serial: p.Serial, out: p.Serial, wait: t.Headers, timing: t, end: none})
	return s.keep(p, b, offset)
}

// restart says that a new chain follows.
func (s *state) restart() {
	s.media, s.mark = false, true
	s.streams, s.build, s.dropped = s.streams[:0], s.build[:0], 0
	s.clock.seam()
}

// isHeader tells whether a page has the stream's header.
func (l *logical) isHeader(p *ogg.Page) bool {
	if l.wait == ogg.UnknownHeaders {
		return p.Granule <= 0
	}
	return l.wait > 0
}

func (s *state) takeHeader(l *logical, p *ogg.Page, b []byte, offset uint64) error {
	if l.wait != ogg.UnknownHeaders {
		l.wait -= uint16(min(p.Ends(b), int(l.wait)))
	}
	if s.media { // of a codec that goes on with headers: players have enough
		return nil
	}
	return s.keep(p, b, offset)
}

// keep adds a page to the header.
func (s *state) keep(p *ogg.Page, b []byte, offset uint64) error {
	if len(s.build)+p.Size > maxHeader {
		return bad("its header has more than 28 KiB; send it without pictures in its comments", offset)
	}
	s.build = append(s.build, b[:p.Size]...)
	return nil
}

// waiting gives a stream whose header has not come whole before media did; nil: there is
// none.
func (s *state) waiting() *logical {
	if s.media {
		return nil
	}
	for i := range s.streams {
		if w := s.streams[i].wait; w > 0 && w != ogg.UnknownHeaders {
			return &s.streams[i]
		}
	}
	return nil
}

// publish puts the header that was read in force, unless players can go on with theirs:
// then the streams take its serial numbers.
func (s *state) publish(v *sdk.Verdicts) {
	same := ogg.Compatible(s.header, s.build)
	if same {
		var serials [ogg.MaxStreams]uint32
		for i, serial := range ogg.Serials(serials[:0], s.header) {
			s.streams[i].out = serial
		}
	} else {
		s.mark = s.mark || s.known
		s.header = append(s.header[:0], s.build...)
	}
	if !same || !s.known { // the rendition of a source that returns goes on under its old header
		p := v.Pieces()
		p.Literal(s.header)
		v.Header(p)
	}
	s.known, s.media, s.build = true, true, s.build[:0]
}
