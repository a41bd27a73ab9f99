package hosttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// TestLanguages: the examples in C and Rust are built as plugins that the host takes.
func TestLanguages(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{"c": inC, "rust": inRust, "hello": inGo} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join("../../testplugins", dir)
			if got := language(folder); got != want {
				t.Fatalf("language %q, want %q", got, want)
			}
			module := Build(t, folder)
			report, err := wasm.Inspect(module)
			if err != nil {
				t.Fatal(err)
			}
			if err = report.Judge(); err != nil {
				t.Error(err)
			}
			// As its own tools build it, it is whole.
			out := filepath.Join(t.TempDir(), "plugin.wasm")
			if err = compile(folder, out); err != nil {
				t.Fatal(err)
			}
			bare, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = wasm.ReadManifest(bare); (err == nil) != (want != inGo) {
				t.Errorf("manifest of the bare module: %v", err)
			}
		})
	}
}

// TestCompilerSays: what a compiler finds wrong is told.
func TestCompilerSays(t *testing.T) {
	t.Parallel()
	for name, language := range map[string]string{"wrong.c": "clang", "lib.rs": "rustc"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("this is neither\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if Compiler(dir) != nil {
			continue // NeedCompiler in TestLanguages says so
		}
		err := compile(dir, filepath.Join(dir, "out.wasm"))
		if err == nil || !strings.Contains(err.Error(), language) || !strings.Contains(err.Error(), "this is neither") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
