package main

import (
	"testing"

	"github.com/weir-media/weir/sdk/sdktest"
)

const scripts = "testdata/*.script"

func TestScripts(t *testing.T) { sdktest.Run(t, newPlugin(), scripts) }

func TestAmnesia(t *testing.T) { sdktest.Amnesia(t, newPlugin, scripts) }
