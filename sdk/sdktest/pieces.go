package sdktest

import (
	"fmt"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// remember keeps the headers that an event tells of, for pieces that name them.
func (h *host) remember(s *session, e abi.Event) {
	var point *abi.PointSummary
	switch e := e.(type) {
	case *abi.Package:
		s.header = e.Header
	case *abi.HTTPRequest:
		point = &e.Point
	case *abi.Point:
		point = &e.Summary
	case *abi.DocumentRequest:
		point = &e.Point
	}
	if point == nil {
		return
	}
	for r := range point.Renditions.All() {
		if len(r.Header) > 0 {
			h.headers[string(point.Name)+"\x00"+string(r.Name)] = r.Header
		}
	}
}

// pieces appends a payload's bytes to the output.
func (h *host) pieces(s *session, e abi.Event, list *abi.Pieces) error {
	for p := range list.All() {
		b, err := h.piece(s, e, p)
		if err != nil {
			return err
		}
		h.output = append(h.output, b...)
	}
	return nil
}

func (h *host) piece(s *session, e abi.Event, p abi.Piece) ([]byte, error) {
	switch p.Kind {
	case abi.PieceLiteral:
		return p.Bytes, nil
	case abi.PieceInput:
		return s.span(e, p)
	case abi.PieceHeader:
		if len(p.Bytes) == 0 {
			if s.header == nil {
				return nil, fmt.Errorf("the session has no source header")
			}
			return s.header, nil
		}
		point, rendition, ok := strings.Cut(string(p.Bytes), "\x00")
		if !ok {
			return nil, fmt.Errorf("header %q is not POINT, NUL, RENDITION", p.Bytes)
		}
		if b := h.headers[string(p.Bytes)]; b != nil {
			return b, nil
		}
		return fmt.Appendf(nil, "{header %s %s}", point, rendition), nil
	case abi.PiecePacket:
		return packet(e, p)
	}
	return nil, fmt.Errorf("piece of kind %d", p.Kind)
}

// span resolves a mark of the event's connection. It must lie in what was delivered
// and is not let go.
func (s *session) span(e abi.Event, p abi.Piece) ([]byte, error) {
	in := s.input(e.EventHead().Conn)
	from, end := in.held(e), p.Offset+uint64(p.Length)
	if p.Offset < uint64(from) || end < p.Offset || end > uint64(in.shown) {
		return nil, fmt.Errorf("span %d to %d lies outside the input held, %d to %d", p.Offset, end, from, in.shown)
	}
	return in.bytes[p.Offset:end], nil
}

// held is where the input begins that the answer to an event may mark.
func (in *input) held(e abi.Event) int {
	from := in.consumed
	switch e := e.(type) {
	case *abi.Data:
		from = int(e.Offset)
	case *abi.Datagrams:
		from = int(e.Offset)
	}
	if in.kept >= 0 {
		from = min(from, in.kept)
	}
	return from
}

// packet resolves a mark of a source packet, which must be one of this event.
func packet(e abi.Event, p abi.Piece) ([]byte, error) {
	packets, ok := e.(*abi.Packets)
	if !ok {
		return nil, fmt.Errorf("packet %d is marked outside PACKETS", p.Packet)
	}
	for n := range packets.Packets.All() {
		if n.Sequence != p.Packet {
			continue
		}
		length := uint64(p.Length)
		if length == 0 && p.Offset <= uint64(n.Size) {
			length = uint64(n.Size) - p.Offset
		}
		end := p.Offset + length
		if end < p.Offset || end > uint64(n.Size) {
			return nil, fmt.Errorf("span %d to %d lies outside packet %d of %d bytes", p.Offset, end, n.Sequence, n.Size)
		}
		if end <= uint64(len(n.Bytes)) {
			return n.Bytes[p.Offset:end], nil
		}
		return fmt.Appendf(nil, "{packet %d %d %d}", n.Sequence, p.Offset, length), nil
	}
	return nil, fmt.Errorf("packet %d is not of this event", p.Packet)
}
