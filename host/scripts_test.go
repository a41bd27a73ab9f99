package host_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/conform"
	"github.com/weir-media/weir/host/internal/plugin/proc"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// scriptLimit is what one call may take here. Scripts prove answers, not speed, and
// run on busy machines.
const scriptLimit = conform.Limit

var (
	moduleCache  = filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-%d", os.Getuid()), "modules")
	scriptLimits = plugin.Limits{Event: scriptLimit, Packets: scriptLimit, Open: scriptLimit}
)

func openWasm(t *testing.T, dir string) plugin.Generation {
	t.Helper()
	g, err := wasm.Open(t.Context(), wasm.Options{Name: filepath.Base(dir), Module: hosttest.Build(t, dir), CacheDir: moduleCache,
		Log: slog.New(slog.DiscardHandler), Limits: scriptLimits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func openProc(t *testing.T, dir string) plugin.Generation {
	t.Helper()
	o := proc.Options{Name: filepath.Base(dir), Path: hosttest.BuildProc(t, dir), Log: slog.New(slog.DiscardHandler), Limits: scriptLimits}
	if os.Geteuid() == 0 {
		o.User = "nobody"
	}
	g, err := proc.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// newInWasm starts an instance, whose Close is the caller's.
func newInWasm(t *testing.T, g plugin.Generation) *conform.Aged {
	t.Helper()
	a, err := conform.NewAged(g)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
