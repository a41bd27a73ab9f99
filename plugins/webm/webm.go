package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/matroska"
)

const (
	// maxWhole is the longest element that is awaited whole, in bytes; a longer block is
	// retained while it comes. Chosen: below what one DATA brings (spec.md 9).
	maxWhole = 64 << 10
	// maxBlock bounds a block, in bytes: what is retained must still be there when its last
	// byte comes, which may stand at the end of a DATA (spec.md 9).
	maxBlock = abi.MaxRetain - 96<<10
	// maxTime bounds times, in ns. Chosen: 146 years, half of what 64 bits hold.
	maxTime = 1 << 62
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md 4).
const (
	// reserve is kept free for CONSUME, RETAIN, NEED and the state without its headers.
	reserve = fixedSize + 256
	// packetBytes is a PACKET of one literal and one span.
	packetBytes = 192
)

func newPlugin() *sdk.Plugin { return sdk.New(nil, event) }

func event(s *state, e abi.Record, v *sdk.Verdicts) error {
	switch e := e.(type) {
	case *abi.Published:
		s.clock.join(e.NextTime)
		s.mark = len(e.Header) > 0
		if s.header = s.header[:0]; len(e.Header) <= maxHeader {
			s.header = append(s.header, e.Header...)
		}
	case *abi.Data:
		return s.data(e, v)
	case *abi.End:
		return s.ended(e, v)
	}
	return nil
}

// data takes as much input as is complete and as the outbox has room for.
func (s *state) data(e *abi.Data, v *sdk.Verdicts) error {
	used, need := 0, 0
	for used < len(e.Bytes) {
		n, more, err := s.step(e.Bytes[used:], e.Offset+uint64(used), v)
		if err != nil {
			return err
		}
		used += n
		if need = more; n == 0 {
			break
		}
	}
	switch {
	case s.long.size > 0:
		s.held = true
		v.Retain(e.Conn, s.long.from)
	case s.held: // the last RETAIN holds until the next
		v.Retain(e.Conn, e.Offset+uint64(used))
	}
	if used > 0 {
		v.Consume(e.Conn, e.Offset+uint64(used))
	}
	if need > 0 && e.Flags&abi.DataLast == 0 {
		v.Need(e.Conn, need)
	}
	return nil
}

// step takes one element, or a part of a long one, from the start of b, which lies at
// offset of the input. It takes nothing when the element is not complete, and says then
// how many bytes it wants; none: there is no room for verdicts.
func (s *state) step(b []byte, offset uint64, v *sdk.Verdicts) (n, need int, err error) {
	if v.Room() < reserve+len(s.header)+len(s.build)+maxHeader+packetBytes {
		return 0, 0, nil
	}
	switch {
	case s.skip > 0:
		n = int(min(s.skip, uint64(len(b))))
		s.skip -= uint64(n)
		return n, 0, nil
	case s.long.size > 0:
		return s.goOn(len(b), offset, v), 0, nil
	}
	e, need, err := matroska.ParseElement(b)
	switch {
	case err != nil:
		return 0, 0, bad(err.Error(), offset)
	case need > 0:
		return 0, len(b) + need, nil
	case s.phase == atStart && e.ID != matroska.IDEBML:
		return 0, 0, bad("no EBML header stands at the beginning", offset)
	case e.Unknown && e.ID != matroska.IDSegment && e.ID != matroska.IDCluster:
		return 0, 0, bad("an element that must say its size does not", offset)
	}
	switch e.ID {
	case matroska.IDSegment:
		return e.Head, 0, nil
	case matroska.IDCluster:
		return s.takeCluster(e, offset, v)
	case matroska.IDEBML, matroska.IDInfo, matroska.IDTracks:
		return s.takeHeader(e, b, offset)
	case matroska.IDTimestamp:
		return s.takeTimestamp(e, b, offset)
	case matroska.IDSimpleBlock, matroska.IDBlockGroup:
		return s.takeBlock(e, b, offset, v)
	}
	// Void, Tags, Cues, SeekHead, Position and what else only files need.
	s.skip = e.Size
	return e.Head, 0, nil
}

// ended: a loop begins with an EBML header; anything else must have had a cluster.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) error {
	if !s.known {
		return bad("the input ended before its first cluster", e.Offset)
	}
	if e.Reason == abi.EndLoop {
		v.Consume(e.Conn, e.Offset)
		s.phase, s.skip, s.long = atStart, 0, long{}
		s.clock.seam()
		s.mark = true
	}
	return nil
}

// bad blames the encoder in words.
func bad(what string, offset uint64) error {
	return sdk.Fail(abi.EPROTO, "the WebM stream cannot be used: "+what+" (byte "+strconv.FormatUint(offset, 10)+" of the stream)")
}
