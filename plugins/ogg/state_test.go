package main

import (
	"reflect"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/ogg"
	"github.com/weir-media/weir/sdk/sdktest"
)

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := state{
		known: true, media: true, mark: true, dropped: 15, header: []byte("header"), build: []byte("build"),
		clock: clock{next: 1, shift: -2, in: 3, dts: 4, key: 14, started: true, pending: true},
		streams: []logical{
			{serial: 5, out: 6, wait: 7, timing: ogg.Timing{Codec: ogg.Speex, Shift: 31, Headers: ogg.UnknownHeaders, Skip: 8, Num: 9, Den: 10}, shift: -11, end: 12},
			{serial: 13, end: none},
		},
	}
	for _, v := range []reflect.Value{reflect.ValueOf(s), reflect.ValueOf(s.clock), reflect.ValueOf(s.streams[0]), reflect.ValueOf(s.streams[0].timing)} {
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
	for _, one := range []state{{known: true}, {media: true}, {known: true, mark: true}, {clock: clock{started: true}}, {clock: clock{pending: true}}} {
		got = state{}
		if err := got.ReadState(one.AppendState(nil)); err != nil || got.known != one.known || got.media != one.media || got.mark != one.mark || got.clock != one.clock {
			t.Errorf("came back as %+v (%v), was %+v", got, err, one)
		}
	}
	for n := range fixedSize + 2*logicalSize + len(s.header) {
		if new(state).ReadState(blob[:n]) == nil {
			t.Fatalf("%d bytes pass for a state", n)
		}
	}
}

func TestLongestStateFits(t *testing.T) {
	s := state{known: true, header: make([]byte, maxHeader), build: make([]byte, maxHeader), streams: make([]logical, ogg.MaxStreams)}
	if n := len(s.AppendState(nil)); n > abi.MaxState {
		t.Errorf("a state of %d bytes", n)
	}
}

// TestSmallOutbox: media asks for no more room than what may come of a page, so that many
// sessions find some in one outbox.
func TestSmallOutbox(t *testing.T) {
	r := start(t)
	r.Data(append(header(5, "", ""), sound(5, 0, 1)...), 0)
	var w abi.Writer
	w.Reset(make([]byte, abi.UsualBox))
	sdktest.Must(t, w.Put(1, 0, &abi.State{Blob: r.State}))
	sdktest.Must(t, w.Put(1, 0, &abi.Data{Head: r.Head(), Offset: r.Taken, Bytes: sound(5, 1, 1)}))
	out := make([]byte, 4<<10)
	n := newPlugin().Call(w.Bytes(), out)
	if n < 0 {
		t.Fatal(abi.Code(n))
	}
	var answer abi.Reader
	sdktest.Must(t, answer.Reset(out[:n]))
	for {
		v, more, err := answer.Next()
		sdktest.Must(t, err)
		if !more {
			t.Fatal("no packet")
		}
		if v.Op == abi.OpPacket {
			return
		}
	}
}
