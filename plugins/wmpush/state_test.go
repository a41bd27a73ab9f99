package main

import (
	"reflect"
	"testing"
)

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := state{phase: streaming, retried: true, published: true, autoDestroy: true, endless: true, packetSize: 3200, length: 16,
		point: []byte("live"), template: []byte("news"), peer: []byte("192.0.2.9")}
	for v, i := reflect.ValueOf(s), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	blob := s.AppendState(nil)
	var got state
	if err := got.ReadState(blob); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	for n := range blob {
		if new(state).ReadState(blob[:n]) == nil {
			t.Fatalf("%d of %d bytes pass for a state", n, len(blob))
		}
	}
}

func FuzzState(f *testing.F) {
	s := state{phase: streaming, published: true, packetSize: 3200, point: []byte("live"), peer: []byte("192.0.2.9")}
	f.Add(s.AppendState(nil))
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s state
		if s.ReadState(blob) != nil || s.phase == fresh {
			return
		}
		var again state
		if err := again.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(again, s) && len(blob) < maxText {
			t.Fatalf("%+v comes back as %+v (%v)", s, again, err)
		}
	})
}
