package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPluginBuildAndInspect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tiny.wasm")
	code, out, errOut := weir("plugin", "build", "testdata/tiny", "-o", file, "--json")
	var b built
	if err := json.Unmarshal([]byte(out), &b); err != nil || code != 0 {
		t.Fatalf("weir plugin build: exit %d, %q %q, %v", code, out, errOut, err)
	}
	st, err := os.Stat(file)
	if err != nil || b.Name != "tiny" || b.Version != "0.1.0" || int64(b.Bytes) != st.Size() || len(b.Hash) != 64 {
		t.Errorf("built %+v, %v", b, err)
	}

	var i inspection
	_, out, errOut = weir("plugin", "inspect", file, "--json")
	if err = json.Unmarshal([]byte(out), &i); err != nil {
		t.Fatalf("weir plugin inspect --json: %q %q, %v", out, errOut, err)
	}
	manifest, err := os.ReadFile("testdata/tiny/plugin.yaml")
	if err != nil || i.Hash != b.Hash || i.ABI != 1 || i.Refused != "" || i.Manifest != string(manifest) {
		t.Errorf("inspected %+v, %v", i, err)
	}
	code, out, errOut = weir("plugin", "inspect", file)
	for _, want := range []string{"plugin        tiny 0.1.0\n", "sha256        " + b.Hash, "abi           1\n", "  func weir_call(i32) -> i32\n", "  roles: [control]\n", "func wasi_snapshot_preview1."} {
		if !strings.Contains(out, want) && !strings.Contains(out, strings.TrimSpace(want)) {
			t.Errorf("weir plugin inspect: exit %d, no %q in %s%s", code, want, out, errOut)
		}
	}
}

func TestPluginBuildTellsWhatIsWrong(t *testing.T) {
	good, err := os.ReadFile("testdata/tiny/plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, manifest, program, says string
	}{
		{"manifest", strings.Replace(string(good), "roles", "rolls", 1), "package main\n\nfunc main() {}\n", "rolls"},
		{"program", string(good), "package main\n\nfunc main() { nothing() }\n", "undefined: nothing"},
		{"no plugin", string(good), "package main\n\nfunc main() {}\n", "weir_abi_1"},
		{"start", string(good), `package main

func init() { panic("not today") }

func main() {}

//go:wasmexport weir_abi_1
func marker() int32 { return 0 }

//go:wasmexport weir_buf
func buffer(kind int32) int64 { return 0 }

//go:wasmexport weir_call
func call(n int32) int32 { return 0 }
`, "not today"},
		{"OPEN", string(good), `package main

import "unsafe"

func main() {}

var box [2 << 18]byte

//go:wasmexport weir_abi_1
func marker() int32 { return 0 }

//go:wasmexport weir_buf
func buffer(kind int32) int64 {
	return int64(uintptr(unsafe.Pointer(&box[kind<<18])))<<32 | 1<<18
}

//go:wasmexport weir_call
func call(n int32) int32 { panic("not in OPEN") }
`, "not in OPEN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module tiny\n\ngo 1.26\n")
			write(t, filepath.Join(dir, "main.go"), c.program)
			write(t, filepath.Join(dir, manifestFile), c.manifest)
			out := filepath.Join(dir, "out.wasm")
			code, _, errOut := weir("plugin", "build", dir, "-o", out)
			if code != 1 || !strings.Contains(errOut, c.says) {
				t.Errorf("exit %d, %q; want 1, %q", code, errOut, c.says)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("a file was written all the same")
			}
		})
	}
}

func TestInspectOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	empty, text := filepath.Join(dir, "empty.wasm"), filepath.Join(dir, "text.wasm")
	write(t, empty, "\x00asm\x01\x00\x00\x00")
	write(t, text, "hello")
	code, out, _ := weir("plugin", "inspect", empty)
	if code != 1 || !strings.Contains(out, "A server would not load it: it does not export memory") {
		t.Errorf("an empty module: exit %d, %q", code, out)
	}
	if code, _, errOut := weir("plugin", "inspect", text); code != 1 || !strings.Contains(errOut, "text.wasm: inspect module") {
		t.Errorf("text: exit %d, %q", code, errOut)
	}
}
