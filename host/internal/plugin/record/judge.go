package record

import (
	"iter"
	"slices"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// judged finds in an answer the faults that the host would: kind is the first, empty if there is none. known tells whether that settles a fault of the
// recorded kind: a frame does not tell what is granted, nor always which input is still held.
func judged(recorded string, in, out []byte) (kind string, known bool) {
	if !isWhole(out) {
		return plugin.BadBatch.String(), true
	}
	if isForeign(in, out) {
		return plugin.ForeignSession.String(), true
	}
	bad, sure := spans(in, out)
	switch {
	case bad:
		return plugin.BadSpan.String(), true
	case recorded == plugin.BadSpan.String():
		return "", sure
	}
	return "", recorded != plugin.Permission.String()
}

// isWhole: each record lies in the frame, can be read and is known or may be skipped.
func isWhole(out []byte) bool {
	if len(out) == 0 {
		return true
	}
	var r abi.Reader
	if r.Reset(out) != nil {
		return false
	}
	for {
		raw, ok, err := r.Next()
		if err != nil || !ok {
			return err == nil
		}
		if known := abi.New(raw.Op); known == nil && raw.IsCritical() || known != nil && decode(raw) == nil {
			return false
		}
	}
}

func isForeign(in, out []byte) bool {
	var there []uint64
	for raw := range records(in) {
		there = append(there, raw.Session)
	}
	for raw := range records(out) {
		if !slices.Contains(there, raw.Session) {
			return true
		}
	}
	return false
}

// spans judges the spans of an answer: bad, if one certainly names bytes that the host does not hold; sure, if all certainly name bytes that it does.
func spans(in, out []byte) (bad, sure bool) {
	sure = true
	for raw := range records(out) {
		event := lastEvent(in, raw.Session)
		for p := range pieces(decode(raw)) {
			switch p.Kind {
			case abi.PieceInput:
				from, to, known := delivered(event)
				bad = bad || known && (p.Offset > to || uint64(p.Length) > to-p.Offset)
				sure = sure && known && p.Offset >= from
			case abi.PiecePacket:
				held := holds(event, &p)
				bad, sure = bad || !held, sure && held
			case abi.PieceHeader:
				sure = sure && len(p.Bytes) == 0
			}
		}
	}
	return bad, sure && !bad
}

// lastEvent is what a session was told; nil if nothing can be read.
func lastEvent(in []byte, session uint64) (event abi.Record) {
	for raw := range records(in) {
		if raw.Session == session && raw.Op.IsEvent() && raw.Op != abi.OpState {
			event = decode(raw)
		}
	}
	return event
}

// delivered is the input that an event brought, which is the end of all input so far. Of other events a frame does not tell, but the first of a session
// has none before it.
func delivered(event abi.Record) (from, to uint64, known bool) {
	switch e := event.(type) {
	case *abi.Data:
		return e.Offset, e.Offset + uint64(len(e.Bytes)), true
	case *abi.Datagrams:
		return e.Offset, e.Offset + uint64(len(e.Bytes)), true
	case *abi.HTTPRequest, *abi.ConnOpen, *abi.Start, *abi.Package, *abi.Packets, *abi.DocumentRequest:
		return 0, 0, true
	}
	return 0, 0, false
}

// holds tells whether a piece lies in a packet that the event brought.
func holds(event abi.Record, p *abi.Piece) bool {
	e, ok := event.(*abi.Packets)
	if !ok {
		return false
	}
	for n := range e.Packets.All() {
		if n.Sequence == p.Packet {
			return p.Offset <= uint64(n.Size) && uint64(p.Length) <= uint64(n.Size)-p.Offset
		}
	}
	return false
}

// pieces walks the payload of a verdict.
func pieces(r abi.Record) iter.Seq[abi.Piece] {
	switch r := r.(type) {
	case *abi.Write:
		return r.Pieces.All()
	case *abi.Send:
		return r.Pieces.All()
	case *abi.HTTPResponse:
		return r.Pieces.All()
	case *abi.Attach:
		return r.Prefix.All()
	case *abi.Feed:
		return r.Pieces.All()
	case *abi.Header:
		return r.Pieces.All()
	case *abi.Packet:
		return r.Pieces.All()
	case *abi.Document:
		return r.Pieces.All()
	}
	return func(func(abi.Piece) bool) {}
}
