package abi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// three is a frame of three records, the middle one of an op that nobody knows.
func three(t *testing.T, flags uint16) []byte {
	t.Helper()
	var w Writer
	w.Reset(make([]byte, 4096))
	for _, err := range []error{
		w.Put(1, 0, filled(OpTimer)),
		w.PutRaw(Raw{Op: 99, Flags: flags, Session: 2, Body: []byte("grease")}),
		w.Put(3, 0, filled(OpStop)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w.Bytes()
}

// walk reads a frame as spec.md §3 tells a reader to.
func walk(frame []byte) (known []Op, err error) {
	var r Reader
	if err := r.Reset(frame); err != nil {
		return nil, err
	}
	for {
		raw, ok, err := r.Next()
		if err != nil || !ok {
			return known, err
		}
		if lookup(raw.Op) != nil {
			known = append(known, raw.Op)
		} else if raw.IsCritical() {
			return known, ENOSYS
		}
	}
}

func TestUnknownOps(t *testing.T) {
	known, err := walk(three(t, 0))
	if err != nil || len(known) != 2 || known[0] != OpTimer || known[1] != OpStop {
		t.Errorf("grease: %v, %v", known, err)
	}
	if known, err = walk(three(t, Critical)); !errors.Is(err, ENOSYS) || len(known) != 1 {
		t.Errorf("critical: %v, %v", known, err)
	}
	if known, err = walk(three(t, 0xfffe)); err != nil || len(known) != 2 {
		t.Errorf("unknown record flags: %v, %v", known, err)
	}
}

func TestFrameLayout(t *testing.T) {
	frame := three(t, 0)
	if n := binary.LittleEndian.Uint32(frame); n != 3 {
		t.Errorf("%d records", n)
	}
	if len(frame)%8 != 0 {
		t.Errorf("%d bytes", len(frame))
	}
	timer := align8(recordHead + headSize + 4)
	if i := bytes.Index(frame, []byte("grease")); i != frameHead+timer+recordHead {
		t.Errorf("second record's body is at %d", i)
	}
}

const headSize = 36 // spec.md §4: i64, i64, 16 bytes, u32

// Every prefix of a frame is read up to the record that is cut.
func TestCutFrames(t *testing.T) {
	frame := three(t, 0)
	body := recordHead + len(mustRawBodies(t, frame)[2])
	last := len(frame) - align8(body) + body // the last record's padding may be missing
	for n := range len(frame) + 1 {
		known, err := walk(frame[:n:n])
		switch {
		case n >= last:
			if err != nil || len(known) != 2 {
				t.Fatalf("whole at %d: %v, %v", n, known, err)
			}
		case !errors.Is(err, ErrMalformed) || len(known) > 1:
			t.Fatalf("cut at %d: %v, %v", n, known, err)
		}
	}
}

func mustRawBodies(t *testing.T, frame []byte) (bodies [][]byte) {
	t.Helper()
	var r Reader
	if err := r.Reset(frame); err != nil {
		t.Fatal(err)
	}
	for {
		raw, ok, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return bodies
		}
		bodies = append(bodies, raw.Body)
	}
}

func TestBadFrames(t *testing.T) {
	for name, frame := range map[string][]byte{
		"empty":                      {},
		"half a head":                {0, 0, 0, 0, 0, 0, 0},
		"more records than bytes":    {2, 0, 0, 0, 0, 0, 0, 0, 15: 0, 23: 0, 38: 0},
		"billions of records":        {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 23: 0},
		"a record longer than frame": {1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 23: 0},
		"a record of 4 GiB":          {1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 23: 0},
	} {
		if _, err := walk(frame); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if known, err := walk(make([]byte, frameHead+5)); err != nil || len(known) != 0 {
		t.Errorf("no records and a tail: %v, %v", known, err)
	}
	var r Reader
	if _, ok, err := r.Next(); ok || err != nil {
		t.Errorf("zero Reader: %v, %v", ok, err)
	}
}

// A spent Reader stays spent.
func TestReaderAfterError(t *testing.T) {
	frame := append(three(t, 0), make([]byte, recordHead)...)
	binary.LittleEndian.PutUint32(frame, 4)
	frame[len(frame)-recordHead+4] = 1
	var r Reader
	if err := r.Reset(frame); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, ok, err := r.Next(); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if _, ok, err := r.Next(); ok || !errors.Is(err, ErrMalformed) {
		t.Errorf("fourth: %v, %v", ok, err)
	}
	if _, ok, err := r.Next(); ok || err != nil || r.Len() != 0 {
		t.Errorf("after the error: %v, %v, %d", ok, err, r.Len())
	}
}

// A record fits or leaves the frame as it was, whatever the buffer's size.
func TestFullBuffers(t *testing.T) {
	eachOp(t, func(t *testing.T, op Op) {
		rec := filled(op)
		need := len(frameOf(t, 1, 0, rec))
		raw, _ := only(t, frameOf(t, 1, 0, rec))
		for n := range need {
			var w Writer
			w.Reset(make([]byte, n))
			if err := w.Put(1, 0, rec); !errors.Is(err, ErrFull) {
				t.Fatalf("put into %d of %d bytes: %v", n, need, err)
			}
			if err := w.PutRaw(raw); !errors.Is(err, ErrFull) {
				t.Fatalf("put raw into %d of %d bytes: %v", n, need, err)
			}
			if w.Records() != 0 || n >= frameHead && !bytes.Equal(w.Bytes(), make([]byte, frameHead)) {
				t.Fatalf("%d of %d bytes: frame %x", n, need, w.Bytes())
			}
		}
		var w Writer
		w.Reset(make([]byte, need))
		if err := w.Put(1, 0, rec); err != nil || w.Room() != 0 {
			t.Errorf("exact fit: %v, room %d", err, w.Room())
		}
	})
}

func TestMarkAndTruncate(t *testing.T) {
	var w Writer
	w.Reset(make([]byte, 4096))
	_ = w.Put(1, 0, filled(OpTimer))
	before := bytes.Clone(w.Bytes())
	pos, records := w.Mark()
	_ = w.Put(2, 0, filled(OpStop))
	_ = w.Put(2, 0, filled(OpEnd))
	if w.Records() != 3 {
		t.Fatalf("%d records", w.Records())
	}
	w.Truncate(pos, records)
	if !bytes.Equal(w.Bytes(), before) || w.Records() != 1 {
		t.Errorf("frame %x, before %x", w.Bytes(), before)
	}
}

// A Writer without a buffer is full and gives no frame.
func TestWriterWithoutBuffer(t *testing.T) {
	reset := new(Writer)
	reset.Reset(make([]byte, frameHead-1))
	for name, w := range map[string]*Writer{"zero": new(Writer), "too small": reset} {
		w.Truncate(w.Mark())
		if err := w.Put(0, 0, new(Timer)); !errors.Is(err, ErrFull) {
			t.Errorf("%s: put: %v", name, err)
		}
		if w.Bytes() != nil || w.Records() != 0 || w.Room() < 0 {
			t.Errorf("%s: bytes %x, room %d", name, w.Bytes(), w.Room())
		}
	}
}
