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
	f.Fuzz(func(t *testing.T, name string, state uint16, route, first string, firstGen uint64, second string, secondGen uint64) {
		point := abi.PointSummary{Name: []byte(name), State: abi.PointState(state)}
		point.Renditions.Add(abi.Rendition{Name: []byte(first), Generation: firstGen})
		point.Renditions.Add(abi.Rendition{Name: []byte(second), Generation: secondGen})
		form, no, ok := choose(&point, route, "/"+name)
		switch {
		case ok && (point.State != abi.PointLive || form.rendition == ""):
			t.Errorf("form %q of a point in state %v", form.rendition, point.State)
		case ok && route != "any" && route != form.rendition:
			t.Errorf("route %q got %q", route, form.rendition)
		case !ok && (no.status != 404 && no.status != 503 || no.text == ""):
			t.Errorf("refused with %+v", no)
		}
	})
}
