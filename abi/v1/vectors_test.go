package abi

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden vectors in testdata anew")

const (
	vectorSession = 0x0102030405060708
	vectorFile    = "{\n  \"name\": %q,\n  \"op\": %d,\n  \"flags\": %d,\n  \"session\": %q,\n  \"fields\": %s,\n  \"hex\": %q\n}\n"
)

// frameOf is a frame with the one record.
func frameOf(t testing.TB, session uint64, flags uint16, rec Record) []byte {
	t.Helper()
	var w Writer
	w.Reset(make([]byte, 1<<16))
	if err := w.Put(session, flags, rec); err != nil {
		t.Fatalf("put %v: %v", rec.Op(), err)
	}
	return w.Bytes()
}

// only gives the one record of a frame.
func only(t testing.TB, frame []byte) (Raw, Record) {
	t.Helper()
	var r Reader
	if err := r.Reset(frame); err != nil {
		t.Fatal(err)
	}
	raw, ok, err := r.Next()
	if !ok || err != nil || r.Len() != 0 {
		t.Fatalf("next: ok %v, error %v, %d records left", ok, err, r.Len())
	}
	rec := New(raw.Op)
	if err := r.Decode(raw, rec); err != nil {
		t.Fatalf("decode %v: %v", raw.Op, err)
	}
	return raw, rec
}

// vector renders the golden file of a frame with one record from what decoding gives.
func vector(t testing.TB, frame []byte) []byte {
	t.Helper()
	raw, rec := only(t, frame)
	return fmt.Appendf(nil, vectorFile, raw.Op.String(), uint16(raw.Op), raw.Flags,
		fmt.Sprint(raw.Session), showRecord(rec), hex.EncodeToString(frame))
}

func vectorPath(op Op) string {
	return filepath.Join("testdata", strings.ToLower(op.String())+".json")
}

// The vectors bind all SDKs to one wire form. Each file is what the codec encodes
// and what decoding shows.
func TestVectors(t *testing.T) {
	want := map[string]bool{}
	for _, op := range Ops() {
		path := vectorPath(op)
		want[path] = true
		got := vector(t, frameOf(t, vectorSession, Critical, filled(op)))
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (write it by go test -run Vectors -update)", err)
		}
		if !bytes.Equal(got, golden) {
			t.Errorf("%v is encoded otherwise than in %s: a change of the wire form (README.md says how)", op, path)
		}
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f] {
			t.Errorf("%s belongs to no record", f)
		}
	}
}
