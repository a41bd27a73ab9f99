package abi

import (
	"bytes"
	"reflect"
	"testing"
	"unsafe"
)

// FuzzFrame decodes any bytes as a frame, and each body as every record: nothing
// panics, views lie within the frame, and what lies around the frame has no part.
func FuzzFrame(f *testing.F) {
	for _, op := range Ops() {
		f.Add(frameOf(f, 1, 0, filled(op)))
	}
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 23: 0})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 40, 0, 0, 0, 23: 0, 60: 4, 63: 1})
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 1<<14 {
			return
		}
		a, b := within(frame, 0x00), within(frame, 0xff)
		shownA, shownB := decodeAll(t, a), decodeAll(t, b)
		if !reflect.DeepEqual(shownA, shownB) {
			t.Error("decoding depends on bytes outside the frame")
		}
		if !bytes.Equal(a, frame) || !bytes.Equal(b, frame) {
			t.Error("decoding has changed the frame")
		}
	})
}

// within places a frame between other bytes, with capacity over them.
func within(frame []byte, around byte) []byte {
	b := bytes.Repeat([]byte{around}, len(frame)+128)
	copy(b[64:], frame)
	return b[64 : 64+len(frame)]
}

func decodeAll(t *testing.T, frame []byte) (shown []string) {
	var r, again Reader
	if err := r.Reset(frame); err != nil {
		return []string{err.Error()}
	}
	for {
		raw, ok, err := r.Next()
		if !ok {
			if err != nil {
				shown = append(shown, err.Error())
			}
			return shown
		}
		if len(shown) > 4096 {
			return shown
		}
		for _, op := range Ops() {
			if op != raw.Op && len(shown) > 64 {
				continue
			}
			rec := New(op)
			if err := r.Decode(raw, rec); err != nil {
				continue
			}
			viewsLieWithin(t, frame, reflect.ValueOf(rec).Elem())
			text := showRecord(rec)
			shown = append(shown, text)
			_, back := only(t, frameOf(t, 1, 0, rec))
			if showRecord(back) != text {
				t.Errorf("%v put and decoded again differs", op)
			}
		}
		var h Head
		_ = raw.DecodeHead(&h)
		_ = again.Reset(raw.Body)
	}
}

// viewsLieWithin checks every byte field: inside the frame, and no capacity through
// which an append could write into it.
func viewsLieWithin(t *testing.T, frame []byte, v reflect.Value) {
	for _, f := range leaves(v) {
		switch f.kind {
		case "head", "summary":
			viewsLieWithin(t, frame, f.v)
		case "bytes":
			isView(t, frame, f.name, f.v.Bytes())
		default:
			if l := f.v.Kind() == reflect.Struct; l {
				isView(t, frame, f.name, f.v.FieldByName("raw").Bytes())
				for _, item := range items(f.v) {
					viewsLieWithin(t, frame, item)
				}
			}
		}
	}
}

func isView(t *testing.T, frame []byte, name string, b []byte) {
	if len(b) == 0 {
		return
	}
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(frame)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if at < lo || at+uintptr(len(b)) > lo+uintptr(len(frame)) || cap(b) != len(b) {
		t.Errorf("%s is no view of the frame, or has capacity beyond itself", name)
	}
}

// FuzzRecord puts records with drawn values and decodes them again.
func FuzzRecord(f *testing.F) {
	for _, op := range Ops() {
		f.Add(uint16(op), []byte("\x05weird values to be drawn\x02\x01\xff\xff\xff\xff\x80\x00\x03abc"))
	}
	f.Fuzz(func(t *testing.T, op uint16, values []byte) {
		rec := New(Op(op))
		if rec == nil || len(values) > 1<<12 {
			return
		}
		fill(&drawing{values}, reflect.ValueOf(rec).Elem())
		frame := frameOf(t, 5, 0, rec)
		_, back := only(t, frame)
		if a, b := showRecord(back), showRecord(rec); a != b {
			t.Errorf("decoded\n%s, put\n%s", a, b)
		}
		if again := frameOf(t, 5, 0, back); !bytes.Equal(again, frame) {
			t.Errorf("put again\n%x, first\n%x", again, frame)
		}
	})
}

// FuzzList walks any bytes as each kind of list.
func FuzzList(f *testing.F) {
	for _, v := range someLists() {
		f.Add(v.FieldByName("raw").Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for kind, count := range asList {
			if n := count(raw); n > len(raw)/4 {
				t.Errorf("%s: %d items in %d bytes", kind, n, len(raw))
			}
		}
	})
}
