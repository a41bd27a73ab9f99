package main

import (
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/ogg"
)

// Sizes of records in the outbox, in bytes, rounded up (spec.md 4).
const (
	// reserve is kept free for CONSUME, NEED and the state without its headers.
	reserve = fixedSize + ogg.MaxStreams*logicalSize + 256
	// packetBytes is a PACKET of a page's head and one span.
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

// data takes as many whole pages as are there and as the outbox has room for.
func (s *state) data(e *abi.Data, v *sdk.Verdicts) error {
	used, need := 0, 0
	for used < len(e.Bytes) {
		b, offset := e.Bytes[used:], e.Offset+uint64(used)
		p, more, err := ogg.ParsePage(b)
		if err != nil {
			return bad(err.Error(), offset)
		}
		if more > 0 {
			need = len(b) + more
			break
		}
		if v.Room() < s.room(&p) {
			break
		}
		if err := s.take(&p, b, offset, v); err != nil {
			return err
		}
		used += p.Size
	}
	if used > 0 {
		v.Consume(e.Conn, e.Offset+uint64(used))
	}
	if need > 0 && e.Flags&abi.DataLast == 0 {
		v.Need(e.Conn, need)
	}
	return nil
}

// room is how many bytes of the outbox a page may call for. Media needs its PACKET and the
// state; before it the header that is being read grows, or is published and is then that in
// force.
func (s *state) room(p *ogg.Page) int {
	n := reserve + packetBytes + len(s.header) + len(s.build)
	if s.media && p.Flags&ogg.First == 0 {
		return n
	}
	return n + max(len(s.header), len(s.build)) + min(p.Size, maxHeader)
}

// take takes one page. Logical streams whose codec is not known are left out: a player
// could not be told where to begin with them.
func (s *state) take(p *ogg.Page, b []byte, offset uint64, v *sdk.Verdicts) error {
	if p.Flags&ogg.First != 0 {
		return s.begin(p, b, offset)
	}
	l := s.find(p.Serial)
	switch {
	case l == nil && len(s.streams) == 0:
		return bad("no stream of a codec that is known here (Vorbis, Opus, Theora, FLAC, Speex) begins before its media", offset)
	case l != nil && l.isHeader(p):
		return s.takeHeader(l, p, b, offset)
	}
	if w := s.waiting(); w != nil {
		return s.drop(w, p, offset)
	}
	if l == nil {
		return nil
	}
	if !s.media {
		s.publish(v)
	}
	l.wait = 0
	s.emit(l, p, b, offset, v)
	return nil
}

// drop leaves out a page of media before the header of another stream: none can use it.
func (s *state) drop(waiting *logical, p *ogg.Page, offset uint64) error {
	if s.dropped += uint32(p.Size); s.dropped > maxDropped {
		return bad("the header of the stream with the serial number "+strconv.FormatUint(uint64(waiting.serial), 10)+" does not end", offset)
	}
	return nil
}

func (s *state) find(serial uint32) *logical {
	for i := range s.streams {
		if s.streams[i].serial == serial {
			return &s.streams[i]
		}
	}
	return nil
}

// ended: a loop begins with new streams; anything else must have had media.
func (s *state) ended(e *abi.End, v *sdk.Verdicts) error {
	if !s.known {
		return bad("the input ended before its first page of media", e.Offset)
	}
	if e.Reason == abi.EndLoop {
		v.Consume(e.Conn, e.Offset)
		s.restart()
	}
	return nil
}

// bad blames the encoder in words.
func bad(what string, offset uint64) error {
	return sdk.Fail(abi.EPROTO, "the Ogg stream cannot be used: "+what+" (byte "+strconv.FormatUint(offset, 10)+" of the stream)")
}
