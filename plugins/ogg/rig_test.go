package main

import (
	"os"
	"testing"

	"github.com/weir-media/weir/sdk/sdktest"
)

type rig struct{ *sdktest.Rig }

func newRig(t testing.TB) *rig { return &rig{sdktest.NewRig(t, newPlugin)} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}
