package main

import (
	"reflect"
	"testing"

	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/sdktest"
)

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := state{
		known: true, running: true, mark: true, lost: 1, header: []byte("header"),
		clock: clock{next: 2, shift: 3, in: 4, dts: 5, pts: 6, gap: 7, key: 8, started: true, pending: true, keyed: true},
	}
	for b := sdktest.Read(t, dir+"h264.ts"); len(b) >= mpegts.PacketSize; b = b[mpegts.PacketSize:] {
		s.demux.Feed(b)
	}
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		checkSet(t, v.Field(i), v.Type().Field(i).Name)
	}
	c := reflect.ValueOf(s.clock)
	for i := range c.NumField() {
		checkSet(t, c.Field(i), "clock."+c.Type().Field(i).Name)
	}
	var got state
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	for _, one := range []state{{known: true}, {running: true}, {known: true, mark: true}, {clock: clock{started: true}}, {clock: clock{pending: true}}, {clock: clock{keyed: true}}} {
		got = state{}
		if err := got.ReadState(one.AppendState(nil)); err != nil || got.known != one.known || got.running != one.running || got.mark != one.mark || got.clock != one.clock {
			t.Errorf("came back as %+v (%v), was %+v", got, err, one)
		}
	}
}

func checkSet(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	if v.IsZero() {
		t.Fatalf("%s is not set here", name)
	}
}
