// Package build compiles plugins written in Go to programs of their own.
//
// It owns how the carrier and the manifest get into a plugin that names neither: a file that exists only for the compiler, laid over the
// plugin's folder. A folder and the manifest's text come in; an executable goes out. It never runs what it has built and writes nothing into the
// folder.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// carrier is the package that makes a plugin a program.
const carrier = "github.com/weir-media/weir/sdk/proc"

// laidOver is the name of the file that only the compiler sees.
const laidOver = "weir_carrier.go"

const source = `package main

import %q

func init() { proc.Carry(%q) }
`

// Go builds the program in dir to the file out. said is what the Go tool wrote; it explains an error.
func Go(ctx context.Context, dir, manifest, out string) (said string, err error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("the go command is needed: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // the Go tool looks for the file where it finds the folder
		return "", err
	}
	if out, err = filepath.Abs(out); err != nil {
		return "", err
	}
	if _, err = run(ctx, goTool, dir, "list", "-find", carrier); err != nil {
		return "", fmt.Errorf("go list: %w: the module of %s does not provide %s, which a program needs; what `weir plugin new` writes is for modules. "+
			"In its go.mod, put a copy of weir's whole repository in the place of ./weir (go mod edit -replace=github.com/weir-media/weir=/path/to/weir; go get %[3]s)", err, dir, carrier)
	}
	temporary, err := os.MkdirTemp("", "weir-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temporary)
	file := filepath.Join(temporary, laidOver)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(dir, laidOver): file}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(temporary, "overlay.json")
	err = errors.Join(os.WriteFile(file, fmt.Appendf(nil, source, carrier, manifest), 0o600), os.WriteFile(list, overlay, 0o600))
	if err != nil {
		return "", err
	}
	said, err = run(ctx, goTool, dir, "build", "-overlay", list, "-trimpath", "-ldflags=-w", "-o", out, ".")
	if err != nil {
		return said, fmt.Errorf("go build: %w", err)
	}
	return said, nil
}

func run(ctx context.Context, goTool, dir string, args ...string) (said string, err error) {
	cmd := exec.CommandContext(ctx, goTool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	err = cmd.Run()
	return text.String(), err
}
