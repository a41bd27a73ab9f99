package hosttest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Plugins are written in Go, and for tests in C or Rust too: the files in a folder say which. Whatever the language, the outcome is a reactor without
// symbols (spec.md 2.1).

// errNoCompiler: this machine has no compiler for a plugin's language.
var errNoCompiler = errors.New("there is no compiler for it here")

// Compiler reports why the plugin in a folder cannot be built on this machine, or nil. Go is always there; C needs clang, lld and wasi-libc, Rust a
// rustc with the standard library for WASI.
func Compiler(dir string) error {
	var err error
	switch language(dir) {
	case inC:
		err = clang()
	case inRust:
		_, err = rustc()
	}
	if err != nil {
		return fmt.Errorf("build plugin %s: %w", dir, err)
	}
	return nil
}

// NeedCompiler ends a test whose plugin cannot be built on this machine. With CI=true and as root, where .ci/setup installs all compilers, that is a
// failure; else the test is skipped.
func NeedCompiler(t testing.TB, dir string) {
	t.Helper()
	err := Compiler(dir)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true" && os.Getuid() == 0:
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// The languages, by the file that tells them.
const (
	inGo   = "*.go"
	inC    = "*.c"
	inRust = "lib.rs"
)

func language(dir string) string {
	for _, l := range []string{inRust, inC} {
		if found, err := filepath.Glob(filepath.Join(dir, l)); err == nil && len(found) > 0 {
			return l
		}
	}
	return inGo
}

// compile builds the source in a folder.
func compile(dir, out string) error {
	switch language(dir) {
	case inC:
		return compileC(dir, out)
	case inRust:
		return compileRust(dir, out)
	}
	// Equal sources give equal bytes, wherever they lie and whatever was committed: the host's folder of compiled modules goes by them.
	_, err := goCommand(dir, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w", "-o", out, ".")
	return err
}

var clangFlags = []string{"--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-msimd128", "-Wall", "-Wextra", "-Werror", "-Wl,--strip-all"}

// clang tries whether C can be built.
var clang = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "weir-clang-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "nothing.c")
	if err = os.WriteFile(source, []byte("#include <stdlib.h>\nint weir;\n"), 0o600); err != nil {
		return err
	}
	if err = compileC(dir, filepath.Join(dir, "nothing.wasm")); err != nil {
		return fmt.Errorf("%w (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32): %w", errNoCompiler, err)
	}
	return nil
})

func compileC(dir, out string) error {
	sources, err := filepath.Glob(filepath.Join(dir, inC))
	if err != nil {
		return err
	}
	for i := range sources {
		sources[i] = filepath.Base(sources[i])
	}
	cmd := exec.Command("clang", append(append([]string{"-o", out}, clangFlags...), sources...)...)
	cmd.Dir = dir // a manifest's path is taken from there
	return tool(cmd)
}

// rust is a compiler that can build for WASI.
type rust struct{ path, target, libraries string }

// rustc looks through PATH, since a machine may have several compilers and the first need not have WASI's library. Newer ones name the target anew.
var rustc = sync.OnceValues(func() (rust, error) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, "rustc"))
		if err != nil {
			continue
		}
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			out, err := exec.Command(path, "--target", target, "--print", "target-libdir").Output()
			r := rust{path, target, strings.TrimSpace(string(out))}
			if err != nil {
				continue
			}
			if _, err = os.Stat(r.reactor()); err == nil {
				return r, nil
			}
		}
	}
	return rust{}, fmt.Errorf("%w (Debian: rustc libstd-rust-dev-wasm32): no rustc in PATH has the library of wasm32-wasi", errNoCompiler)
})

// reactor is what gives a module its _initialize.
func (r rust) reactor() string { return filepath.Join(r.libraries, "self-contained", "crt1-reactor.o") }

func compileRust(dir, out string) error {
	r, err := rustc()
	if err != nil {
		return err
	}
	folder := filepath.Dir(dir)
	return tool(exec.Command(r.path, "--remap-path-prefix", folder+"=.", "--target", r.target, "--edition", "2021", "--crate-type", "cdylib",
		"--crate-name", "plugin", "-O", "-C", "panic=abort", "-C", "strip=symbols", "-C", "link-arg="+r.reactor(), "-o", out, filepath.Join(dir, inRust)))
}

func tool(cmd *exec.Cmd) error {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, complaint.Bytes())
	}
	return nil
}
