package main

import (
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/matroska"
)

// takeHeader reads one of the elements that make a header. Between clusters Info and
// Tracks may only stand again as they were (RFC 9559 5.1.2, 5.1.4: recurring).
func (s *state) takeHeader(e matroska.Element, b []byte, offset uint64) (n, need int, err error) {
	size := uint64(e.Head) + e.Size
	switch {
	case e.ID != matroska.IDEBML && s.phase == atMedia:
		s.skip = e.Size
		return e.Head, 0, nil
	case size > maxHeader:
		return 0, 0, bad("its header has more than 28 KiB", offset)
	case size > uint64(len(b)):
		return 0, int(size), nil
	}
	whole := b[:size]
	switch e.ID {
	case matroska.IDEBML:
		if s.phase == atMedia { // the encoder begins anew
			s.clock.seam()
			s.mark = true
		}
		s.phase = atHeader
		s.build = matroska.AppendSegment(append(s.build[:0], whole...))
	case matroska.IDInfo:
		var ok bool
		if s.build, ok = matroska.AppendInfo(s.build, whole[e.Head:]); !ok {
			return 0, 0, bad("its Info is damaged", offset)
		}
	default:
		s.build = append(s.build, whole...)
	}
	if len(s.build) > maxHeader {
		return 0, 0, bad("its header has more than 28 KiB", offset)
	}
	return int(size), 0, nil
}

// takeCluster enters a cluster, whose elements follow. Before the first one the header is
// complete.
func (s *state) takeCluster(e matroska.Element, offset uint64, v *sdk.Verdicts) (n, need int, err error) {
	if s.phase == atHeader {
		if v.Room() < reserve+2*(len(s.header)+len(s.build))+packetBytes {
			return 0, 0, nil
		}
		if err := s.publish(v); err != nil {
			return 0, 0, bad(err.Error(), offset)
		}
	}
	s.phase, s.fresh, s.timed = atMedia, true, false
	return e.Head, 0, nil
}

// publish puts the header that was read in force, unless players can go on with theirs.
func (s *state) publish(v *sdk.Verdicts) error {
	h, err := matroska.ParseHeader(s.build)
	if err != nil {
		return err
	}
	same := matroska.Compatible(s.header, s.build)
	if !same {
		s.mark = s.mark || s.known
		s.header = append(s.header[:0], s.build...)
	}
	if !same || !s.known { // the rendition of a source that returns goes on under its old header
		p := v.Pieces()
		p.Literal(s.header)
		v.Header(p)
	}
	s.known, s.build = true, s.build[:0]
	s.scale, s.video = h.Scale, h.Video
	return nil
}
