package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/weir-media/weir/host/internal/plugin/proc"
	procbuild "github.com/weir-media/weir/host/internal/plugin/proc/build"
)

// triedAs is the account that runs what root has built, for the trial.
const triedAs = "nobody"

func buildProgram(ctx context.Context, dir string, manifest []byte, tell io.Writer) (product, error) {
	temporary, err := os.MkdirTemp("", "weir-build-")
	if err != nil {
		return product{}, err
	}
	defer os.RemoveAll(temporary)
	out := filepath.Join(temporary, "plugin")
	said, err := procbuild.Go(ctx, dir, string(manifest), out)
	if err != nil {
		if said != "" {
			fmt.Fprintln(tell, cleanLines(said))
		}
		return product{}, err
	}
	p := product{mode: 0o755}
	if p.tried, err = tryProgram(ctx, out, manifest); err != nil {
		return product{}, err
	}
	p.code, err = os.ReadFile(out)
	return p, err
}

// isProgram tells an executable of Linux from a module.
func isProgram(code []byte) bool { return bytes.HasPrefix(code, []byte("\x7fELF")) }

// inspectProgram asks a program for its manifest.
func inspectProgram(ctx context.Context, path string, code []byte) (inspection, error) {
	text, hash, err := proc.ReadManifest(ctx, trial(path))
	if err != nil {
		return inspection{}, err
	}
	found := inspection{File: path, Bytes: len(code), Hash: hash, Carrier: "proc", Roles: []string{}, Capabilities: []string{}, Imports: []string{}, Exports: []string{}, Manifest: string(text)}
	found.judge(text)
	return found, nil
}

// trial is how a program runs that no configuration names.
func trial(path string) proc.Options {
	o := proc.Options{Path: path, Log: slog.New(slog.DiscardHandler)}
	if os.Geteuid() == 0 {
		o.User = triedAs
	}
	return o
}

// tryProgram starts a program and one instance of it, as a server would.
func tryProgram(ctx context.Context, path string, manifest []byte) (tried, error) {
	o := trial(path)
	o.Manifest = manifest
	printed, _, err := proc.ReadManifest(ctx, o)
	if err == nil && string(printed) != string(manifest) {
		err = errors.New("asked for its manifest it prints something else: its main function is to call sdk.Main and nothing before")
	}
	if err != nil {
		return tried{}, err
	}
	g, err := proc.Open(ctx, o)
	if err != nil {
		return tried{}, err
	}
	defer g.Close()
	return tryStart(g)
}
