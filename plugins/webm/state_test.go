package main

import (
	"reflect"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := state{
		phase: atMedia, known: true, mark: true, fresh: true, timed: true, held: true, skip: 1, cluster: 2, scale: 3, video: 4,
		long:   long{from: 5, size: 6, track: 7, time: -8, key: true},
		clock:  clock{next: 9, shift: -10, in: 11, dts: 12, gap: 13, key: 14, started: true, pending: true},
		header: []byte("header"), build: []byte("build"),
	}
	for _, v := range []reflect.Value{reflect.ValueOf(s), reflect.ValueOf(s.long), reflect.ValueOf(s.clock)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Fatalf("%s is not set here", v.Type().Field(i).Name)
			}
		}
	}
	blob := s.AppendState(nil)
	var got state
	if err := got.ReadState(blob); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	for _, one := range []state{{phase: atMedia, known: true}, {phase: atMedia, mark: true}, {phase: atMedia, fresh: true}, {phase: atMedia, timed: true},
		{phase: atMedia, held: true}, {phase: atMedia, long: long{key: true}}, {phase: atMedia, clock: clock{started: true}}, {phase: atMedia, clock: clock{pending: true}}} {
		got = state{}
		if err := got.ReadState(one.AppendState(nil)); err != nil || got.known != one.known || got.mark != one.mark || got.fresh != one.fresh ||
			got.timed != one.timed || got.held != one.held || got.long != one.long || got.clock != one.clock {
			t.Errorf("came back as %+v (%v), was %+v", got, err, one)
		}
	}
	for n := range fixedSize + len(s.header) {
		if new(state).ReadState(blob[:n]) == nil {
			t.Fatalf("%d bytes pass for a state", n)
		}
	}
}

func TestLongestStateFits(t *testing.T) {
	s := state{phase: atMedia, header: make([]byte, maxHeader), build: make([]byte, maxHeader)}
	if n := len(s.AppendState(nil)); n > abi.MaxState {
		t.Errorf("a state of %d bytes", n)
	}
}
