package main

import (
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

func TestSessionState(t *testing.T) {
	for _, want := range []session{{}, {takingBody, 7}, {playing, 0xFFFFFFFF}} {
		var got session
		blob := want.AppendState(nil)
		if len(blob) > 0 {
			if err := got.ReadState(blob); err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for _, bad := range []string{"\x01", "\x03\x00\x00\x00\x00"} {
		if new(session).ReadState([]byte(bad)) == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// A packet of a live stream must cost the instance no memory.
func TestPacketsAllocateNothing(t *testing.T) {
	e := &abi.Packets{}
	for seq := range uint64(32) {
		e.Packets.Add(abi.PacketNote{Sequence: seq, Size: 3200})
	}
	frame, out := make([]byte, abi.UsualBox), make([]byte, abi.UsualBox)
	var w abi.Writer
	w.Reset(frame)
	if err := w.Put(1, 0, e); err != nil {
		t.Fatal(err)
	}
	p := newPlugin()
	if n := p.Call(w.Bytes(), out); n < 0 {
		t.Fatalf("call: %v", abi.Code(n))
	}
	if n := testing.AllocsPerRun(100, func() { p.Call(w.Bytes(), out) }); n != 0 {
		t.Errorf("%v allocations for 32 packets", n)
	}
}

func FuzzClass(f *testing.F) {
	f.Add("GET", "no-cache,rate=1.000000,stream-time=0Connection: Close", "")
	f.Add("GET", "xPlayStrm=1", "")
	f.Add("POST", "client-id=4294967296, xKeepAliveInPause=1", "application/x-wms-LogStats;charset=x")
	f.Add("GET", "stream-switch-entry=ffff:1:0 ffff:2:0 ", "a/b")
	f.Fuzz(func(t *testing.T, method, pragma, contentType string) {
		var fields abi.Fields
		fields.Add([]byte("Pragma"), []byte(pragma))
		fields.Add([]byte("content-type"), []byte(contentType))
		a := read(&fields)
		switch c := a.class([]byte(method)); {
		case c > otherPost:
			t.Errorf("class %d", c)
		case c == play && (method == "POST" || !a.playStream):
			t.Error("play without being asked")
		case method != "POST" && (c == logStats || c == sendEvent || c == otherPost):
			t.Errorf("class %d of %s", c, method)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s session
		if s.ReadState(blob) == nil && len(blob) > 0 && s.doing != nothing {
			if got := s.AppendState(nil); string(got) != string(blob[:stateSize]) {
				t.Errorf("%x became %x", blob, got)
			}
		}
	})
}
