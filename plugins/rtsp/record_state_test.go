package main

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
)

// someRecording has no field that is zero.
func someRecording() recording {
	r := recording{phase: recLive, heard: 7}
	r.setup = flowSetup{track: 1, opened: 3, lower: rtsp.UDP, client: rtsp.Pair{RTP: 5000, RTCP: 5001, Set: true}, server: rtsp.Pair{RTP: 6000, RTCP: 6001, Set: true}}
	for i, c := range []coding{codingH264, codingAAC} {
		t := medium{coding: c, kind: uint8(96 + i), stream: uint8(i), by: byFlow, rtp: 2, rtcp: 3, control: []byte("streamid=0")}
		t.clock = mediaClock{rate: 90_000, started: true, reported: true, first: 1, last: 2, base: 3, placed: 8, report: rtp.Report{SSRC: 4, NTP: 5, Timestamp: 6}, heard: 7}
		t.in = input{began: true, ssrc: 1, highest: 70_000, told: 3, lost: 4, toldLost: 5, held: []byte("waits")}
		for _, n := range []uint16{1, 3} {
			t.in.window.Push(&rtp.Packet{Sequence: n, SSRC: 7}, rtp.Span{Offset: 1, Size: 2}, 1)
			t.in.window.Pop()
		}
		r.tracks = append(r.tracks, t)
	}
	_ = r.tracks[1].aac.Configure([]byte{0x12, 0x08})
	r.tracks[0].h264.Sprop([]byte("Z0LADdoFB+wEQAAAAwBAAAAHg8UKqA==,aM4PyA=="))
	r.tracks[0].order.Next(9000, 1)
	r.program()
	return r
}

func TestRecordingKeepsEveryField(t *testing.T) {
	r := someRecording()
	for v, i := reflect.ValueOf(r), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("%s is not set here", v.Type().Field(i).Name)
		}
	}
	b := r.appendTo(nil)
	var again recording
	rest, err := again.readFrom(append(b, "rest"...))
	if err != nil || string(rest) != "rest" || !bytes.Equal(again.appendTo(nil), b) {
		t.Fatalf("%v, %q\n%+v\n%+v", err, rest, again, r)
	}
	for i := range r.tracks {
		x, y := r.tracks[i], again.tracks[i]
		if !reflect.DeepEqual(x.clock, y.clock) || !reflect.DeepEqual(x.in, y.in) || string(x.control) != string(y.control) || x.by != y.by || x.stream != y.stream {
			t.Errorf("%+v\n%+v", x, y)
		}
	}
	if again.setup != r.setup || again.heard != r.heard {
		t.Errorf("%+v", again)
	}
	for n := 1; n < len(b); n++ {
		if _, err := new(recording).readFrom(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes pass for a state", n, len(b))
		}
	}
	if len((&recording{}).appendTo(nil)) != 0 {
		t.Error("the zero value is stored")
	}
}

func FuzzRecordingState(f *testing.F) {
	r := someRecording()
	f.Add(r.appendTo(nil), []byte("some"))
	f.Fuzz(func(t *testing.T, b, media []byte) {
		var r, again recording
		if _, err := r.readFrom(b); err != nil || len(b) == 0 {
			return
		}
		own := r.appendTo(nil)
		if rest, err := again.readFrom(own); err != nil || len(rest) > 0 || !bytes.Equal(again.appendTo(nil), own) {
			t.Fatalf("%x comes back as %x, %v", own, again.appendTo(nil), err)
		}
		for i := range r.tracks {
			k := unitSink{r: &r, t: &r.tracks[i]}
			k.datagram(recPacket(k.t.kind, 5, 9, media...), 1)
			r.report(k.t, media, 1)
		}
	})
}

// TestStateHasItsSchema: state of another form is of another schema, so that the sessions of
// the build before stay with it (spec.md §8.2).
func TestStateHasItsSchema(t *testing.T) {
	yaml, err := os.ReadFile("plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// How many bytes someRecording takes, and a player with its tracks. Of one that is not here the form is another.
	sizes := map[string]int{"rtsp/1": 497, "rtsp/2": 513, "rtsp/3": 513}
	players := map[string]int{"rtsp/3": 70}
	schema := regexp.MustCompile(`schema: ([^\s,}]+)`).FindSubmatch(yaml)
	if schema == nil {
		t.Fatal("the manifest names no schema")
	}
	r := someRecording()
	b := r.appendTo(nil)
	if want := sizes[string(schema[1])]; len(b) != want {
		t.Errorf("a recording takes %d bytes, in schema %s %d: give the state another schema", len(b), schema[1], want)
	}
	if want := players[string(schema[1])]; playSize != want || playBits != 1<<7-1 {
		t.Errorf("a player takes %d bytes, in schema %s %d, and has bits %b: give the state another schema", playSize, schema[1], want, playBits)
	}
	var old []byte // of schema rtsp/1: without placed
	for at, i := len(b), len(r.tracks)-1; i >= 0; i-- {
		own := r.tracks[i].appendTo(nil)
		placed := 7 + inputFixed + 4 + 1 + 3*8
		old = append(append(bytes.Clone(own[:placed]), own[placed+8:]...), old...)
		if at -= len(own); i == 0 {
			old = append(bytes.Clone(b[:at]), old...)
		}
	}
	if len(old) != sizes["rtsp/1"] {
		t.Errorf("one of rtsp/1 takes %d bytes", len(old))
	}
	var again recording
	if rest, err := again.readFrom(old); err == nil && len(rest) == 0 {
		t.Errorf("it passes for one of %s: %+v", schema[1], again)
	}
}
