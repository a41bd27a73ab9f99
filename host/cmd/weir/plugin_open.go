package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/proc"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// nobody is the account that runs programs when the command is root and nothing else is said: a program needs no rights here.
const nobody = "nobody"

// opened is how a command gets a build of a plugin to run.
type opened struct{ module, exec, user string }

func (o *opened) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.module, "module", "", "the build: a WebAssembly module, or builtin:NAME")
	cmd.Flags().StringVar(&o.exec, "exec", "", "the build: a program")
	o.userFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("module", "exec")
}

func (o *opened) userFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.user, "user", "", "the account that runs a program (default: yours; of root: "+nobody+")")
}

// open gives the build, whose Close is the caller's. A recording or script proves answers, and its calls may be as long as they were.
func (o *opened) open(ctx context.Context) (plugin.Generation, error) {
	if o.exec != "" {
		return o.program(ctx)
	}
	module, err := readModule(o.module)
	if err != nil {
		return nil, err
	}
	return wasm.Open(ctx, wasm.Options{Module: module, Log: slog.New(slog.DiscardHandler)})
}

func (o *opened) program(ctx context.Context) (plugin.Generation, error) {
	user := o.user
	if user == "" && os.Geteuid() == 0 {
		user = nobody
	}
	path, err := filepath.Abs(o.exec)
	if err != nil {
		return nil, err
	}
	return proc.Open(ctx, proc.Options{Path: path, User: user, Log: slog.New(slog.DiscardHandler)})
}

// wasmMagic begins every WebAssembly module.
const wasmMagic = "\x00asm"

// file takes what a user calls a plugin: a folder of Go source, which is built, a module or a program.
func (o *opened) file(ctx context.Context, path string, tell io.Writer) (plugin.Generation, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return buildAside(ctx, path, tell)
	}
	head := make([]byte, len(wasmMagic))
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(f, head)
	f.Close()
	if err == nil && string(head) == wasmMagic {
		o.module = path
	} else {
		o.exec = path
	}
	return o.open(ctx)
}

// buildAside builds the Go program in a folder and opens it; nothing is left behind.
func buildAside(ctx context.Context, dir string, tell io.Writer) (plugin.Generation, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	if _, err = manifest.Parse(text); err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	module, err := compile(ctx, dir, tell)
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	return wasm.Open(ctx, wasm.Options{Module: wasm.WithManifest(module, bytes.Clone(text)), Log: slog.New(slog.DiscardHandler)})
}
