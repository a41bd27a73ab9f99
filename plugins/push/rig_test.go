package main

import (
	"testing"

	"github.com/weir-media/weir/sdk/sdktest"
)

type rig struct{ *sdktest.Rig }

func newRig(t testing.TB) *rig { return &rig{sdktest.NewRig(t, newPlugin)} }
