package main

import (
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

func FuzzChoose(f *testing.F) {
	f.Add("live", uint16(3), "any", "asf", uint64(1), "mpegts", uint64(0))
	f.Add("a\"b", uint16(0), "asf", "mpegts", uint64(1), "", uint64(0))
	f.Add("m", uint16(3), "mkv", "webm", uint64(1), "ogg", uint64(1))
	f.Fuzz(func(t *testing.T, name string, state uint16, route, first string, firstGen uint64, second string, secondGen uint64) {
		point := abi.PointSummary{Name: []byte(name), State: abi.PointState(state)}
		point.Renditions.Add(abi.Rendition{Name: []byte(first), Generation: firstGen})
		point.Renditions.Add(abi.Rendition{Name: []byte(second), Generation: secondGen})
		form, no, ok := choose(&point, route, "/"+name)
		switch {
		case ok && (point.State != abi.PointLive || form.rendition == ""):
			t.Errorf("form %q of a point in state %v", form.rendition, point.State)
		case ok && route != "any" && renditionOf(route) != form.rendition:
			t.Errorf("route %q got %q", route, form.rendition)
		case !ok && (no.status != 404 && no.status != 503 || no.text == ""):
			t.Errorf("refused with %+v", no)
		}
	})
}

// TestStateKeepsEveryField: what the blob leaves out is lost with the instance.
func TestStateKeepsEveryField(t *testing.T) {
	for _, s := range []state{{phase: asking, route: []byte("webm")}, {phase: answered, isHead: true, route: []byte("ogg")}} {
		var got state
		if err := got.ReadState(s.AppendState(nil)); err != nil || got.phase != s.phase || got.isHead != s.isHead || string(got.route) != string(s.route) {
			t.Errorf("came back as %+v (%v), was %+v", got, err, s)
		}
	}
	for _, blob := range []string{"\x01", "\x03\x00webm"} {
		if new(state).ReadState([]byte(blob)) == nil {
			t.Errorf("%q passes for a state", blob)
		}
	}
}
