package abi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"testing"
)

// eachOp runs f for every record of this version.
func eachOp(t *testing.T, f func(t *testing.T, op Op)) {
	for _, op := range Ops() {
		t.Run(op.String(), func(t *testing.T) { f(t, op) })
	}
}

func TestEncodingFollowsTheGrammar(t *testing.T) {
	eachOp(t, func(t *testing.T, op Op) {
		rec := filled(op)
		if rec.Op() != op {
			t.Fatalf("record says it is %v", rec.Op())
		}
		frame := frameOf(t, 7, Critical, rec)
		body := spell(nil, reflect.ValueOf(rec).Elem())
		le := binary.LittleEndian
		want := le.AppendUint32(le.AppendUint32(nil, 1), 0)
		want = le.AppendUint16(le.AppendUint16(want, uint16(op)), 1)
		want = le.AppendUint64(le.AppendUint32(want, uint32(len(body))), 7)
		want = append(want, body...)
		for len(want)%8 != 0 {
			want = append(want, 0)
		}
		if !bytes.Equal(frame, want) {
			t.Errorf("frame\n%x, by the grammar\n%x", frame, want)
		}
	})
}

func TestDecodeGivesBackWhatWasPut(t *testing.T) {
	eachOp(t, func(t *testing.T, op Op) {
		for _, rec := range []Record{New(op), filled(op)} {
			frame := frameOf(t, 9, 0, rec)
			raw, got := only(t, frame)
			if raw.Op != op || raw.Session != 9 || raw.Flags != 0 || raw.IsCritical() {
				t.Errorf("head %v", raw)
			}
			if a, b := showRecord(got), showRecord(rec); a != b {
				t.Errorf("decoded\n%s, put\n%s", a, b)
			}
			if again := frameOf(t, 9, 0, got); !bytes.Equal(again, frame) {
				t.Errorf("put again\n%x, first\n%x", again, frame)
			}
		}
	})
}

// Decoding replaces every field, so that a reused record keeps nothing of the last.
func TestDecodeClearsAReusedRecord(t *testing.T) {
	eachOp(t, func(t *testing.T, op Op) {
		rec := filled(op)
		var r Reader
		if err := r.Decode(Raw{Op: op}, rec); err != nil {
			t.Fatal(err)
		}
		if a, b := showRecord(rec), showRecord(New(op)); a != b {
			t.Errorf("an empty body leaves\n%s", a)
		}
	})
}

// top lists the fields between which a body may end: HEAD counts as its four fields,
// a group as one.
func top(v reflect.Value) []leaf {
	var out []leaf
	for _, f := range leaves(v) {
		if f.kind == "head" {
			out = append(out, leaves(f.v)...)
			continue
		}
		out = append(out, f)
	}
	return out
}

func TestCutBodies(t *testing.T) {
	eachOp(t, func(t *testing.T, op Op) {
		body := spell(nil, reflect.ValueOf(filled(op)).Elem())
		borders := map[int]int{0: 0} // offset to number of whole fields
		at := 0
		for i, f := range top(reflect.ValueOf(filled(op)).Elem()) {
			at += len(spellLeaf(nil, f))
			borders[at] = i + 1
		}
		var r Reader
		for n := range len(body) + 1 {
			rec := filled(op)
			err := r.Decode(Raw{Op: op, Body: body[:n:n]}, rec)
			whole, isBorder := borders[n]
			if !isBorder {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("cut at %d of %d: %v", n, len(body), err)
				}
				continue
			}
			want := filled(op)
			for _, f := range top(reflect.ValueOf(want).Elem())[whole:] {
				f.v.SetZero()
			}
			if err != nil || showRecord(rec) != showRecord(want) {
				t.Fatalf("ends at %d of %d: %v\n%s", n, len(body), err, showRecord(rec))
			}
		}
	})
}

func TestExtraTailIsIgnored(t *testing.T) {
	eachOp(t, func(t *testing.T, op Op) {
		rec := filled(op)
		body := spell(nil, reflect.ValueOf(rec).Elem())
		got := New(op)
		var r Reader
		if err := r.Decode(Raw{Op: op, Body: append(body, "a later minor"...)}, got); err != nil {
			t.Fatal(err)
		}
		if showRecord(got) != showRecord(rec) {
			t.Errorf("decoded\n%s", showRecord(got))
		}
	})
}

// A group may be shorter or longer than this version knows, wherever it stands.
func TestGroupsOfOtherMinors(t *testing.T) {
	rec := filled(OpDocumentRequest).(*DocumentRequest)
	summary := spell(nil, reflect.ValueOf(&rec.Point).Elem())
	build := func(inner []byte) []byte {
		b := spell(nil, reflect.ValueOf(&rec.Head).Elem())
		b = binary.LittleEndian.AppendUint32(b, uint32(len(rec.Format)))
		b = append(b, rec.Format...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(inner)))
		b = append(b, inner...)
		b = spellLeaf(b, leaf{"endpoints", "list of endpoint", reflect.ValueOf(&rec.Endpoints).Elem()})
		return spellLeaf(b, leaf{"about", "list of field", reflect.ValueOf(&rec.About).Elem()})
	}
	var r Reader
	var got DocumentRequest
	if err := r.Decode(Raw{Body: build(append(summary, "more"...))}, &got); err != nil || showRecord(&got) != showRecord(rec) {
		t.Errorf("longer: %v\n%s", err, showRecord(&got))
	}
	short := 4 + len(rec.Point.Name) + 2 // ends behind State
	if err := r.Decode(Raw{Body: build(summary[:short])}, &got); err != nil {
		t.Fatal(err)
	}
	want := *rec
	want.Point = PointSummary{Name: rec.Point.Name, State: rec.Point.State}
	if showRecord(&got) != showRecord(&want) {
		t.Errorf("shorter:\n%s", showRecord(&got))
	}
	if err := r.Decode(Raw{Body: build(summary[:short-1])}, &got); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut inside a group: %v", err)
	}
}

func TestDecodeHead(t *testing.T) {
	want := filled(OpTimer).(*Timer).Head
	raw, _ := only(t, frameOf(t, 1, 0, filled(OpTimer)))
	var h Head
	if err := raw.DecodeHead(&h); err != nil || h != want {
		t.Errorf("head %+v, %v", h, err)
	}
	raw.Body = raw.Body[:35]
	if err := raw.DecodeHead(&h); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut head: %v", err)
	}
}

func TestCodes(t *testing.T) {
	for c, want := range map[Code]string{OK: "OK", EINVAL: "EINVAL", EAUTH: "EAUTH", EAUTH - 1: "E?", 1: "E?",
		math.MinInt32: "E?", math.MaxInt32: "E?"} {
		if c.String() != want || c.Error() != want {
			t.Errorf("code %d is called %q", int32(c), c.String())
		}
	}
}

func TestOps(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range Ops() {
		if seen[op.String()] || op.IsEvent() == op.IsVerdict() {
			t.Errorf("%d %v: name twice or range unclear", uint16(op), op)
		}
		seen[op.String()] = true
		if _, hasHead := reflect.TypeOf(New(op)).Elem().FieldByName("UnixNano"); hasHead != op.IsEvent() {
			t.Errorf("%v: every event and no verdict opens with HEAD", op)
		}
		if e, ok := New(op).(Event); ok != op.IsEvent() || ok && e.EventHead() == nil {
			t.Errorf("%v: events and only events are an Event", op)
		}
	}
	for op, want := range map[Op]string{0: "OP_0", 127: "OP_127", 65535: "OP_65535"} {
		if op.String() != want || New(op) != nil {
			t.Errorf("op %d is called %q", uint16(op), op.String())
		}
	}
}
