package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

func TestState(t *testing.T) {
	for _, s := range []state{
		{connected: true},
		{connected: true, keepSeconds: 90, asked: asked{id: [2]byte{1, 2}, filters: 16, end: 1 << 40}},
		{connected: true, topics: []topic{{"live", "idle"}, {strings.Repeat("n", 4000), ""}}},
	} {
		var back state
		blob := s.AppendState(nil)
		if err := back.ReadState(blob); err != nil || !bytes.Equal(back.AppendState(nil), blob) {
			t.Errorf("%+v comes back as %+v (%v)", s, back, err)
		}
	}
	if b := new(state).AppendState(nil); len(b) > 0 {
		t.Errorf("the zero state is stored as % x", b)
	}
}

// TestRefused: when the host refuses to watch, the subscriber is told so for each filter, and what it sent next is answered.
func TestRefused(t *testing.T) {
	hello := []byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
	wish := []byte("\x82\x1d\x00\x07\x00\x0apoints/nix\x00\x00\x0bpoints/live\x00")
	r := sdktest.NewRig(t, newPlugin)
	r.Data(hello, 0)
	s := state{connected: true, asked: asked{id: [2]byte{0, 7}, filters: 2, end: uint64(len(hello) + len(wish))}}
	r.State, r.Input = s.AppendState(nil), append(r.Input, wish...)
	r.Taken, r.Verdicts = uint64(len(hello)+4), nil
	r.Send(&abi.Refused{Head: r.Head(), Code: abi.ENOENT, During: abi.OpData})
	var answer []byte
	for _, v := range r.Verdicts {
		if w, ok := v.(*abi.Write); ok {
			for piece := range w.Pieces.All() {
				answer = append(answer, piece.Bytes...)
			}
		}
	}
	if want := "\x90\x04\x00\x07\x80\x80"; string(answer) != want {
		t.Errorf("answer % x, % x expected", answer, want)
	}
	if r.Failed != 0 || r.Taken != uint64(len(r.Input)) {
		t.Errorf("failed with %v after %d of %d bytes", r.Failed, r.Taken, len(r.Input))
	}
}

func FuzzReadState(f *testing.F) {
	s := state{connected: true, keepSeconds: 1, topics: []topic{{"live", "idle"}}}
	f.Add(s.AppendState(nil))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s state
		if s.ReadState(blob) == nil && !bytes.Equal(s.AppendState(nil), blob) {
			t.Errorf("% x comes back as % x", blob, s.AppendState(nil))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"))
	f.Add([]byte("\x82\x10\x00\x01\x00\x0bpoints/live\x00"))
	f.Add([]byte("\xc0\x00\xe0\x00"))
	f.Add([]byte("\x10\x80\x80\x80\x80\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, need, err := parse(b)
		switch {
		case err != nil:
		case need > 0:
			if need <= len(b) {
				t.Errorf("of %d bytes %d are needed", len(b), need)
			}
		case p.size > len(b) || p.size < 2 || len(p.body) > maxBody:
			t.Errorf("%d bytes hold a packet of %d", len(b), p.size)
		case p.kind == connect:
			_, _ = parseConnect(p.body)
		case p.kind == subscribe:
			s := state{connected: true}
			_ = s.ask(p, uint64(p.size))
		}
	})
}
