package abi

import (
	"fmt"
	"reflect"
)

// source is where the filler takes values from.
type source interface {
	number() uint64
	text(field string) []byte
	count() int // of a list's items
}

// counting gives every field another value, the same in every run.
type counting struct{ n uint64 }

func (s *counting) number() uint64           { s.n++; return 0xf1e2d3c4b5a69700 + s.n }
func (s *counting) text(field string) []byte { s.n++; return fmt.Appendf(nil, "%s %d", field, s.n) }
func (s *counting) count() int               { return 2 }

// drawing takes values from fuzzed bytes, and zeros behind their end.
type drawing struct{ b []byte }

func (s *drawing) take(n int) []byte {
	n = min(n, len(s.b))
	out := s.b[:n]
	s.b = s.b[n:]
	return out
}

func (s *drawing) octet() int {
	if b := s.take(1); len(b) == 1 {
		return int(b[0])
	}
	return 0
}

func (s *drawing) number() uint64 {
	var n uint64
	for range 8 {
		n = n<<8 | uint64(s.octet())
	}
	return n
}

func (s *drawing) text(string) []byte { return s.take(s.octet()) }
func (s *drawing) count() int         { return s.octet() & 3 }

// fill sets each field of a struct from s.
func fill(s source, v reflect.Value) {
	for _, f := range leaves(v) {
		fillLeaf(s, f)
	}
}

func fillLeaf(s source, f leaf) {
	switch f.kind {
	case "u16", "u32", "u64":
		f.v.SetUint(s.number() & (1<<(8*f.v.Type().Size()) - 1))
	case "i32":
		f.v.SetInt(int64(int32(s.number())))
	case "i64":
		f.v.SetInt(int64(s.number()))
	case "u8[16]":
		reflect.Copy(f.v, reflect.ValueOf(append(s.text(f.name), make([]byte, 16)...)[:16]))
	case "bytes":
		f.v.SetBytes(s.text(f.name))
	case "head", "summary":
		fill(s, f.v)
	default:
		fillList(s, f.v)
	}
}

func fillList(s source, v reflect.Value) {
	item := func(p any) { fill(s, reflect.ValueOf(p).Elem()) }
	switch l := v.Addr().Interface().(type) {
	case *Pieces:
		for range (s.count() + 1) / 2 {
			for k := PieceLiteral; k <= PiecePacket; k++ {
				p := Piece{Kind: k} // decides which fields are filled
				item(&p)
				p.Kind = k
				l.Add(p)
			}
		}
	case *Fields:
		for range s.count() {
			l.Add(s.text("name"), s.text("value"))
		}
	case *PacketNotes:
		for range s.count() {
			var p PacketNote
			item(&p)
			l.Add(p)
		}
	case *Renditions:
		for range s.count() {
			var r Rendition
			item(&r)
			l.Add(r)
		}
	case *Endpoints:
		for range s.count() {
			var e Endpoint
			item(&e)
			l.Add(e)
		}
	case *DatagramNotes:
		for range s.count() {
			var d DatagramNote
			item(&d)
			l.Add(d)
		}
	}
}

// filled is a record of op with every field set.
func filled(op Op) Record {
	r := New(op)
	fill(&counting{}, reflect.ValueOf(r).Elem())
	return r
}
