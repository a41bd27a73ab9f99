package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
	"github.com/weir-media/weir/sdk/sdktest"
)

// scriptLimit is what one call may take here. Scripts prove answers, not speed, and
// run on busy machines.
const scriptLimit = 10 * time.Second

// scripted lists the folders of plugins that have scripts, with these.
func scripted(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, glob := range []string{"../plugins/*/testdata/*.script", "../testplugins/*/testdata/*.script"} {
		paths, err := filepath.Glob(glob)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no scripts at %s (%v)", glob, err)
		}
		for _, path := range paths {
			dir := filepath.Dir(filepath.Dir(path))
			all[dir] = append(all[dir], path)
		}
	}
	return all
}

var moduleCache = filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-%d", os.Getuid()), "modules")

func openPlugin(t *testing.T, dir string) plugin.Generation {
	t.Helper()
	g, err := wasm.Open(t.Context(), wasm.Options{Name: filepath.Base(dir), Module: hosttest.Build(t, dir), CacheDir: moduleCache,
		Log: slog.New(slog.DiscardHandler), Limits: plugin.Limits{Event: scriptLimit, Open: scriptLimit}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// inWasm carries frames to one instance.
type inWasm struct{ instance plugin.Instance }

func newInWasm(t *testing.T, g plugin.Generation) inWasm {
	t.Helper()
	i, fault := g.New()
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	return inWasm{i}
}

func (w inWasm) Call(frame []byte) ([]byte, error) {
	verdicts, fault := w.instance.Call(scriptLimit, frame)
	if fault != nil {
		return nil, fmt.Errorf("%+v", fault) //nolint:errorlint // with the guest's stack
	}
	if len(verdicts) == 0 { // weir_call gave 0: no verdicts (spec.md 2.1)
		return noVerdicts, nil
	}
	return verdicts, nil
}

var noVerdicts = make([]byte, 8) // a frame without records

// TestScriptsInWasm runs each conversation that the plugins' own tests run natively
// against the module, on a fresh instance.
func TestScriptsInWasm(t *testing.T) {
	for dir, paths := range scripted(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			g := openPlugin(t, dir)
			for _, path := range paths {
				w := newInWasm(t, g)
				if err := sdktest.CheckFile(path, w); err != nil {
					t.Errorf("%s: %v", path, err)
				}
				w.instance.Close()
			}
		})
	}
}

// forgetful gives each event to an aged instance and to a fresh one that has seen
// nothing but OPEN, and wants the same bytes of both.
type forgetful struct {
	t    *testing.T
	g    plugin.Generation
	aged inWasm
	open []byte
}

func (f *forgetful) Call(frame []byte) ([]byte, error) {
	view, err := f.aged.Call(frame)
	if err != nil {
		return nil, err
	}
	want := bytes.Clone(view)
	if isOpen(frame) {
		f.open = bytes.Clone(frame)
		return want, nil
	}
	fresh := newInWasm(f.t, f.g)
	defer fresh.instance.Close()
	if _, err = fresh.Call(f.open); err != nil {
		return nil, fmt.Errorf("a fresh instance: %w", err)
	}
	got, err := fresh.Call(frame)
	if err != nil {
		return nil, fmt.Errorf("a fresh instance: %w", err)
	}
	if !bytes.Equal(got, want) {
		return nil, errors.New("a fresh instance answers otherwise than the aged one")
	}
	return want, nil
}

func isOpen(frame []byte) bool {
	var r abi.Reader
	if r.Reset(frame) != nil {
		return false
	}
	raw, ok, err := r.Next()
	return ok && err == nil && raw.Op == abi.OpOpen
}

// TestAmnesiaInWasm: no answer depends on what an instance remembers (spec.md 8.7).
func TestAmnesiaInWasm(t *testing.T) {
	for dir, paths := range scripted(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			g := openPlugin(t, dir)
			aged := newInWasm(t, g) // one for all scripts: the older the better
			defer aged.instance.Close()
			for _, path := range paths {
				if err := sdktest.CheckFile(path, &forgetful{t: t, g: g, aged: aged}); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}
