package abi

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
)

// asList wraps raw bytes as each kind of list and counts the items of a walk.
var asList = map[string]func(raw []byte) int{
	"pieces": func(raw []byte) (n int) {
		for range (&Pieces{list{raw}}).All() {
			n++
		}
		return n
	},
	"fields": func(raw []byte) (n int) {
		for range (&Fields{list{raw}}).All() {
			n++
		}
		return n
	},
	"packets": func(raw []byte) (n int) {
		for range (&PacketNotes{list{raw}}).All() {
			n++
		}
		return n
	},
	"renditions": func(raw []byte) (n int) {
		for range (&Renditions{list{raw}}).All() {
			n++
		}
		return n
	},
	"endpoints": func(raw []byte) (n int) {
		for range (&Endpoints{list{raw}}).All() {
			n++
		}
		return n
	},
	"datagrams": func(raw []byte) (n int) {
		for range (&DatagramNotes{list{raw}}).All() {
			n++
		}
		return n
	},
}

func TestMalformedListsEndQuietly(t *testing.T) {
	for kind, count := range asList {
		for _, c := range []struct {
			name string
			raw  []byte
			want int
		}{
			{"none", nil, 0},
			{"half a length", []byte{0, 0, 0}, 0},
			{"an empty item is all zeros", []byte{0, 0, 0, 0}, 1},
			{"empty items, then half a length", []byte{0, 0, 0, 0, 0, 0, 0, 0, 9}, 2},
			{"an item beyond the list", []byte{0, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4}, 1},
			{"an item of 4 GiB", []byte{0xff, 0xff, 0xff, 0xff, 0, 0}, 0},
			{"an item with a cut field", []byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 1},
		} {
			if got := count(c.raw); got != c.want {
				t.Errorf("%s, %s: %d items, want %d", kind, c.name, got, c.want)
			}
		}
	}
}

// Whatever a list is cut to, the whole items before the cut are walked.
func TestCutLists(t *testing.T) {
	for _, v := range someLists() {
		all := v.FieldByName("raw").Bytes()
		borders, at := map[int]int{0: 0}, 0
		for i := 1; at < len(all); i++ {
			at += 4 + int(binary.LittleEndian.Uint32(all[at:]))
			borders[at] = i
		}
		count := asList[listName(v)]
		whole := 0
		for n := range len(all) + 1 {
			if i, ok := borders[n]; ok {
				whole = i
			}
			if got := count(all[:n:n]); got != whole {
				t.Fatalf("%s cut at %d: %d items, want %d", listName(v), n, got, whole)
			}
		}
	}
}

func someLists() []reflect.Value {
	var out []reflect.Value
	for _, p := range []any{new(Pieces), new(Fields), new(PacketNotes), new(Renditions), new(Endpoints), new(DatagramNotes)} {
		v := reflect.ValueOf(p).Elem()
		fillList(&counting{}, v)
		out = append(out, v)
	}
	return out
}

func listName(v reflect.Value) string {
	return map[string]string{"list of piece": "pieces", "list of field": "fields", "list of packet": "packets",
		"list of rendition": "renditions", "list of endpoint": "endpoints", "list of datagram": "datagrams"}[kindOf(v)]
}

// Items of later minors are longer; their extra tail is ignored.
func TestLongerItems(t *testing.T) {
	var l Fields
	l.Add([]byte("Accept"), []byte("*/*"))
	raw := append(bytes.Clone(l.raw), "later"...)
	binary.LittleEndian.PutUint32(raw, uint32(len(raw)-4))
	l.raw = append(raw, l.raw...)
	n := 0
	for f := range l.All() {
		if string(f.Name) != "Accept" || string(f.Value) != "*/*" {
			t.Errorf("field %q: %q", f.Name, f.Value)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d fields", n)
	}
}

// A piece of a kind that this version does not know is seen, so that it can be refused.
func TestUnknownPieceKind(t *testing.T) {
	var l Pieces
	l.Add(Piece{Kind: 77, Length: 5, Bytes: []byte("x")})
	l.raw = append(l.raw, 5, 0, 0, 0, 78, 0, 1, 2, 3)
	l.Add(Piece{Bytes: []byte("end")})
	var kinds []PieceKind
	for p := range l.All() {
		kinds = append(kinds, p.Kind)
	}
	if len(kinds) != 3 || kinds[0] != 77 || kinds[1] != 78 || kinds[2] != PieceLiteral {
		t.Errorf("kinds %v", kinds)
	}
}

func TestWalkStopsEarly(t *testing.T) {
	for _, v := range someLists() {
		n := 0
		switch l := v.Addr().Interface().(type) {
		case *Pieces:
			for range l.All() {
				n++
				break
			}
		case *Fields:
			for range l.All() {
				n++
				break
			}
		case *PacketNotes:
			for range l.All() {
				n++
				break
			}
		case *Renditions:
			for range l.All() {
				n++
				break
			}
		case *Endpoints:
			for range l.All() {
				n++
				break
			}
		case *DatagramNotes:
			for range l.All() {
				n++
				break
			}
		}
		if n != 1 {
			t.Errorf("%s: %d items", listName(v), n)
		}
	}
}

func TestResetKeepsTheBuffer(t *testing.T) {
	var l PacketNotes
	l.Add(PacketNote{Bytes: []byte("first")})
	size := l.Size()
	l.Reset()
	if l.Size() != 0 {
		t.Errorf("%d bytes after Reset", l.Size())
	}
	l.Add(PacketNote{Bytes: []byte("again")})
	for p := range l.All() {
		if string(p.Bytes) != "again" || l.Size() != size {
			t.Errorf("note %q, %d bytes", p.Bytes, l.Size())
		}
	}
}

// Adding to a decoded list leaves the frame alone.
func TestAddToADecodedList(t *testing.T) {
	frame := frameOf(t, 1, 0, filled(OpHTTPResponse))
	before := bytes.Clone(frame)
	_, rec := only(t, frame)
	rec.(*HTTPResponse).Fields.Add([]byte("Connection"), []byte("close"))
	if !bytes.Equal(frame, before) {
		t.Error("the frame has changed")
	}
}

func TestFindRendition(t *testing.T) {
	var p PointSummary
	p.Renditions.Add(Rendition{Name: []byte("asf"), Generation: 1})
	p.Renditions.Add(Rendition{Name: []byte("mmsh"), Generation: 4, Header: []byte("h")})
	if r, ok := p.Renditions.Find("mmsh"); !ok || r.Generation != 4 || string(r.Header) != "h" {
		t.Errorf("mmsh: %v, %+v", ok, r)
	}
	if _, ok := p.Renditions.Find("mms"); ok {
		t.Error("a prefix was found")
	}
}

func TestPointSummary(t *testing.T) {
	for _, c := range []struct {
		viewers, limit uint32
		full           bool
	}{{0, 0, false}, {9, 0, false}, {9, 10, false}, {10, 10, true}, {11, 10, true}} {
		if p := (PointSummary{Viewers: c.viewers, MaxViewers: c.limit}); p.IsFull() != c.full {
			t.Errorf("%d of %d: full %v", c.viewers, c.limit, p.IsFull())
		}
	}
	if PointLive.String() != "live" || PointState(99).String() != "unknown" {
		t.Error("names of states")
	}
}
