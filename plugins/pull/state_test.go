package main

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/weir-media/weir/sdk/asf"
)

func filledState() state {
	return state{phase: framed, manner: play, tried: 1, redirects: 2, conn: 3, client: 4, layout: asf.FramedMMS, packetSize: 3200,
		streams: asf.StreamSet{6, 1}, point: []byte("live"), url: []byte("http://encoder/")}
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := filledState()
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
			t.Fatalf("%d bytes pass for a state", n)
		}
	}
	if (&state{}).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
}

func FuzzState(f *testing.F) {
	s := filledState()
	f.Add(s.AppendState(nil))
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s, again state
		if s.ReadState(blob) != nil {
			return
		}
		if b := s.AppendState(nil); len(b) > 0 && (again.ReadState(b) != nil || !bytes.Equal(again.AppendState(nil), b)) {
			t.Fatalf("%x does not come back", blob)
		}
	})
}
