package main

import (
	"bytes"
	"testing"
)

func TestStateRoundTrip(t *testing.T) {
	s := state{phase: sniffing, point: []byte("demo"), url: []byte("file:demo.asf")}
	b := s.AppendState(nil)
	var got state
	if err := got.ReadState(b); err != nil || !bytes.Equal(got.AppendState(nil), b) || string(got.url) != "file:demo.asf" {
		t.Fatalf("%+v: %v", got, err)
	}
	if (&state{}).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
}

func FuzzState(f *testing.F) {
	f.Add((&state{phase: feeding, point: []byte("demo"), url: []byte("file:demo.asf")}).AppendState(nil))
	f.Add([]byte{1, 0, 255, 255})
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s state
		if s.ReadState(blob) != nil {
			return
		}
		var again state
		if b := s.AppendState(nil); len(b) > 0 && (again.ReadState(b) != nil || !bytes.Equal(again.AppendState(nil), b)) {
			t.Fatalf("%x does not come back", blob)
		}
	})
}
