package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// world is a runtime for modules that are no plugins, for comparing metered ones with plain ones.
type world struct {
	meter   *rewriter // settings of each module's rewriter; nil: plain
	runtime wazero.Runtime
	guest   *guest
	modules map[string]api.Module
	last    api.Module
	limit   time.Duration
}

func newWorld(t testing.TB, engine string, m *rewriter) *world {
	t.Helper()
	config := wazero.NewRuntimeConfigCompiler()
	if engine == "interpreter" {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	return newWorldWith(t, config, m)
}

func newWorldWith(t testing.TB, config wazero.RuntimeConfig, m *rewriter) *world {
	t.Helper()
	w := &world{meter: m, guest: &guest{}, modules: map[string]api.Module{}, limit: time.Minute}
	w.runtime = wazero.NewRuntimeWithConfig(t.Context(), config.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false))
	if err := provideRefuel(t.Context(), w.runtime); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) close() { _ = w.runtime.Close(context.Background()) }

// prepare gives what this world runs in a module's place.
func (w *world) prepare(module []byte) ([]byte, error) {
	if w.meter == nil {
		return module, nil
	}
	m := *w.meter
	return m.rewrite(module)
}

// load instantiates a module and says "accepted" or how that failed: "trap: …" or "refused".
func (w *world) load(name, as string, module []byte) string {
	w.guest.tank.fill(w.limit)
	defer w.guest.tank.end()
	module, err := w.prepare(module)
	if err != nil {
		return "refused"
	}
	m, err := w.runtime.InstantiateWithConfig(w.guest, module, wazero.NewModuleConfig().WithName(as))
	if err != nil {
		if strings.Contains(err.Error(), stackMark) {
			return "trap: " + causeOf(err)
		}
		return "refused"
	}
	if f := m.ExportedFunction(startName); f != nil {
		if answer := w.call(f); answer != "[]" {
			_ = m.Close(context.Background())
			return "trap: " + answer
		}
	}
	w.last = m
	if name != "" {
		w.modules[name] = m
	}
	return "accepted"
}

// causeOf is an error without the stack, and without the words that tell a trap of wazero's from one of the host's.
func causeOf(err error) string {
	cause, _, _ := strings.Cut(err.Error(), stackMark)
	cause = strings.TrimSuffix(cause, " (recovered by wazero)")
	if i := strings.LastIndex(cause, "wasm error: "); i >= 0 {
		cause = cause[i+len("wasm error: "):]
	}
	return cause
}

var errDifferent = errors.New("metered and plain differ")

// sameMemory compares two guests' whole memory.
func sameMemory(a, b api.Module) error {
	if a.Memory() == nil || b.Memory() == nil {
		return nil
	}
	one, _ := a.Memory().Read(0, a.Memory().Size())
	two, _ := b.Memory().Read(0, b.Memory().Size())
	if !bytes.Equal(one, two) {
		return fmt.Errorf("memory of %d and %d bytes: %w", len(one), len(two), errDifferent)
	}
	return nil
}
