package abi

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// The tests look at records by reflection: the order of a struct's fields is the
// order of the wire. Everything here is a second, slow statement of spec.md §4 that
// shares no code with the codec.

// leaf is one field of a record, a group or an item.
type leaf struct {
	name string // as spec.md and the vectors spell it
	kind string // as spec.md's type column
	v    reflect.Value
}

// leaves lists the fields of a struct in its order. HEAD is inline on the wire, and
// listed as one leaf called "head".
func leaves(v reflect.Value) []leaf {
	var out []leaf
	for i := range v.NumField() {
		out = append(out, leaf{snake(v.Type().Field(i).Name), kindOf(v.Field(i)), v.Field(i)})
	}
	if p, ok := v.Addr().Interface().(*Piece); ok {
		out = pieceLeaves(p.Kind, out)
	}
	return out
}

// pieceLeaves keeps the fields that a piece of this kind has, in wire order.
func pieceLeaves(k PieceKind, all []leaf) []leaf {
	want := []string{"kind"}
	switch k {
	case PieceLiteral, PieceHeader:
		want = []string{"kind", "bytes"}
	case PieceInput:
		want = []string{"kind", "length", "offset"}
	case PiecePacket:
		want = []string{"kind", "length", "offset", "packet"}
	}
	var out []leaf
	for _, name := range want {
		for _, f := range all {
			if f.name == name {
				out = append(out, f)
			}
		}
	}
	return out
}

func kindOf(v reflect.Value) string {
	switch v.Addr().Interface().(type) {
	case *Head:
		return "head"
	case *PointSummary:
		return "summary"
	case *[]byte:
		return "bytes"
	case *[16]byte:
		return "u8[16]"
	case *Pieces:
		return "list of piece"
	case *Fields:
		return "list of field"
	case *PacketNotes:
		return "list of packet"
	case *Renditions:
		return "list of rendition"
	case *Endpoints:
		return "list of endpoint"
	case *DatagramNotes:
		return "list of datagram"
	}
	switch v.Kind() {
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "u" + strings.TrimPrefix(v.Kind().String(), "uint")
	case reflect.Int32, reflect.Int64:
		return "i" + strings.TrimPrefix(v.Kind().String(), "int")
	}
	panic("no wire type for " + v.Type().String())
}

// snake turns MaxAge into max_age and TLS into tls.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// items gives copies of a list's items as addressable structs.
func items(v reflect.Value) []reflect.Value {
	var out []reflect.Value
	add := func(p any) { out = append(out, reflect.ValueOf(p).Elem()) }
	switch l := v.Addr().Interface().(type) {
	case *Pieces:
		for x := range l.All() {
			add(&x)
		}
	case *Fields:
		for x := range l.All() {
			add(&x)
		}
	case *PacketNotes:
		for x := range l.All() {
			add(&x)
		}
	case *Renditions:
		for x := range l.All() {
			add(&x)
		}
	case *Endpoints:
		for x := range l.All() {
			add(&x)
		}
	case *DatagramNotes:
		for x := range l.All() {
			add(&x)
		}
	}
	return out
}

// spell is the reference encoder.
func spell(b []byte, v reflect.Value) []byte {
	for _, f := range leaves(v) {
		b = spellLeaf(b, f)
	}
	return b
}

func spellLeaf(b []byte, f leaf) []byte {
	le := binary.LittleEndian
	sized := func(body []byte) []byte { return append(le.AppendUint32(b, uint32(len(body))), body...) }
	switch f.kind {
	case "u16":
		return le.AppendUint16(b, uint16(f.v.Uint()))
	case "u32":
		return le.AppendUint32(b, uint32(f.v.Uint()))
	case "u64":
		return le.AppendUint64(b, f.v.Uint())
	case "i32":
		return le.AppendUint32(b, uint32(f.v.Int()))
	case "i64":
		return le.AppendUint64(b, uint64(f.v.Int()))
	case "u8[16]":
		e := f.v.Interface().([16]byte)
		return append(b, e[:]...)
	case "bytes":
		return sized(f.v.Bytes())
	case "head":
		return spell(b, f.v)
	case "summary":
		return sized(spell(nil, f.v))
	}
	var list []byte
	for _, item := range items(f.v) {
		body := spell(nil, item)
		list = append(le.AppendUint32(list, uint32(len(body))), body...)
	}
	return sized(list)
}

// show renders a record's fields as JSON, one field a line; two records are equal
// when they are shown equally.
func show(v reflect.Value) string {
	var lines []string
	for _, f := range leaves(v) {
		lines = append(lines, "    "+showLeaf(f))
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n  ]"
}

func showLeaf(f leaf) string {
	return fmt.Sprintf(`{"name": %q, "type": %q, "value": %s}`, f.name, f.kind, showValue(f))
}

// showValue writes 64-bit numbers as strings, since many JSON readers keep 53 bits,
// and bytes in hex.
func showValue(f leaf) string {
	switch f.kind {
	case "u16", "u32":
		return strconv.FormatUint(f.v.Uint(), 10)
	case "i32":
		return strconv.FormatInt(f.v.Int(), 10)
	case "u64":
		return strconv.Quote(strconv.FormatUint(f.v.Uint(), 10))
	case "i64":
		return strconv.Quote(strconv.FormatInt(f.v.Int(), 10))
	case "u8[16]":
		e := f.v.Interface().([16]byte)
		return strconv.Quote(hex.EncodeToString(e[:]))
	case "bytes":
		return strconv.Quote(hex.EncodeToString(f.v.Bytes()))
	case "head", "summary":
		return showFlat(f.v)
	}
	var all []string
	for _, item := range items(f.v) {
		all = append(all, showFlat(item))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func showFlat(v reflect.Value) string {
	var all []string
	for _, f := range leaves(v) {
		all = append(all, showLeaf(f))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func showRecord(r Record) string { return show(reflect.ValueOf(r).Elem()) }
