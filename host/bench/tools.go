package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/weir-media/weir/host/bench/native"
)

// tools are the paths of the programs that measure, as they were built.
type tools struct {
	from                               string // the folder with their sources
	fanload, writefan, gofan, mediasrc string
	self                               string // this program
	weir                               string // the server
	weirNative                         string // the server with plugins compiled natively; empty until it is built
}

// sharedTools is where the tools of several repositories stand, beside this one.
const sharedTools = "../shared/bench"

// buildTools builds the neutral tools into a folder. The working folder is the repository's.
func buildTools(into string) (tools, error) {
	t := tools{from: sharedTools}
	if _, err := os.Stat(filepath.Join(t.from, "fanload.c")); err != nil {
		t.from = "host/bench/tools"
	}
	cc, err := compiler()
	if err != nil {
		return t, err
	}
	for _, x := range []struct {
		name string
		path *string
		dir  string
		args []string
	}{
		{"fanload", &t.fanload, ".", []string{cc, "-O2", "-w", "-o"}},
		{"writefan", &t.writefan, ".", []string{cc, "-O2", "-w", "-o"}},
		{"gofan", &t.gofan, ".", []string{"go", "build", "-buildvcs=false", "-o"}},
		{"mediasrc", &t.mediasrc, "mediasrc", []string{"go", "build", "-buildvcs=false", "-o"}},
	} {
		*x.path = filepath.Join(into, x.name)
		args := append(x.args, *x.path)
		switch {
		case x.dir != ".":
			args = append(args, ".")
		case x.args[0] == "go":
			args = append(args, x.name+".go")
		default:
			args = append(args, x.name+".c")
		}
		if err = run(filepath.Join(t.from, x.dir), args...); err != nil {
			return t, err
		}
	}
	t.self, err = os.Executable()
	return t, err
}

func compiler() (string, error) {
	for _, name := range []string{"cc", "gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("tools: no C compiler: install gcc and libc6-dev")
}

// buildWeir builds the server, whose plugins `make plugins` has built.
func (t *tools) buildWeir(into string) error {
	t.weir = filepath.Join(into, "weir")
	// As the Makefile builds it, so that after `make build` there is nothing left to compile.
	return run(".", "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", t.weir, "./host/cmd/weir")
}

// buildNative builds the server with its plugins compiled natively.
func (t *tools) buildNative(ctx context.Context, into string) error {
	path := filepath.Join(into, "weir-native")
	if err := native.Build(ctx, path); err != nil {
		return err
	}
	t.weirNative = path
	return nil
}

func run(dir string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, b)
	}
	return nil
}
