package main

import (
	"testing"

	"github.com/weir-media/weir/sdk/sdktest"
)

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), "testdata/*.script") }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, "testdata/*.script") }

func TestState(t *testing.T) {
	var s state
	if b := new(state).AppendState(nil); len(b) > 0 {
		t.Errorf("the zero state is stored as % x", b)
	}
	if err := s.ReadState([]byte{1}); err != nil || !s.joined {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range [][]byte{{}, {0}, {1, 1}} {
		if err := s.ReadState(bad); err == nil {
			t.Errorf("% x is taken for a state", bad)
		}
	}
}
