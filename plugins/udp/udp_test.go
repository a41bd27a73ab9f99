package main

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }

// A group that brings something else tells its point why there are no pictures.
func TestUselessSource(t *testing.T) {
	script := "> START point=tv url=udp://@239.192.7.7:5000\n> DIALED conn=2 code=OK\n" +
		"> conn=2 datagrams" + strings.Repeat(` "x"`, maxOdd) + "\n! CLOSE conn=0 reason~=\"neither an MPEG transport stream\"\n"
	if err := sdktest.Check([]byte(script), sdktest.Native(newPlugin())); err != nil {
		t.Error(err)
	}
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	s := state{phase: closed, conn: dialed, told: true, held: true, odd: 7, point: []byte("live"), from: []byte("192.0.2.9:40000"), window: someWindow()}
	for v, i := reflect.ValueOf(s), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	var got state
	if err := got.ReadState(s.AppendState(nil)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("came back as %+v (%v), was %+v", got, err, s)
	}
	if (&state{}).AppendState(nil) != nil {
		t.Error("the zero state is stored")
	}
}

func someWindow() (w rtp.Window) {
	for _, n := range []uint16{1, 3, 5} {
		w.Push(&rtp.Packet{Sequence: n, SSRC: 7}, rtp.Span{Offset: uint64(n), Size: 188}, 1)
		w.Pop()
	}
	return w
}

func FuzzState(f *testing.F) {
	f.Add((&state{phase: ordering, conn: sender, held: true, point: []byte("live"), window: someWindow()}).AppendState(nil))
	f.Add([]byte{1, 0, 255, 255})
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

func FuzzKind(f *testing.F) {
	for _, name := range []string{"head.ts", "rtp1.bin", "rtp2.bin"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if kindOf(b) == bare && (len(b) < 188 || b[0] != 'G') {
			t.Errorf("%x", b)
		}
	})
}
