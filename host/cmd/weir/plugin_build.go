package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// manifestFile lies in a plugin's folder.
const manifestFile = "plugin.yaml"

func newPluginBuild() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Build a plugin written in Go",
		Long: "Build compiles the Go program in DIR (default: the current folder) to WebAssembly, puts DIR/" + manifestFile + " into the module,\n" +
			"and judges, compiles and starts the result as a server would. Nothing is written unless all of that works.",
		Example: "  weir plugin build ./mine -o mine.wasm",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			built, err := buildPlugin(cmd.Context(), dir, file, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), built)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s -> %s\nsize %s (%d bytes)\nsha256 %s\n", built.Name, built.Version, built.File,
				size(built.Bytes), built.Bytes, built.Hash)
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "where the module goes (default: NAME.wasm in the current folder)")
	return cmd
}

// built is a plugin's module as `weir plugin build` wrote it.
type built struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	Bytes   int    `json:"bytes"`
	Hash    string `json:"sha256"`
}

// buildPlugin builds the program in dir; what the Go tool says goes to tell.
func buildPlugin(ctx context.Context, dir, file string, tell io.Writer) (built, error) {
	path := filepath.Join(dir, manifestFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return built{}, fmt.Errorf("build plugin: there is no %s; it says what the plugin is", path)
	}
	if err != nil {
		return built{}, fmt.Errorf("build plugin: %w", err)
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return built{}, fmt.Errorf("build plugin: %w", err)
	}
	module, err := compile(ctx, dir, tell)
	if err != nil {
		return built{}, fmt.Errorf("build plugin %q: %w", m.Name, err)
	}
	module = wasm.WithManifest(module, text)
	b := built{Name: m.Name, Version: m.Version, File: file, Bytes: len(module)}
	if b.File == "" {
		b.File = m.Name + ".wasm"
	}
	if b.Hash, err = try(ctx, module); err != nil {
		return built{}, err
	}
	if err := replaceFile(b.File, module); err != nil {
		return built{}, fmt.Errorf("build plugin %q: %w", m.Name, err)
	}
	return b, nil
}

// compile runs the Go tool in dir. A reactor for WASI preview 1 is what the ABI wants (abi/v1/spec.md 2.1).
func compile(ctx context.Context, dir string, tell io.Writer) ([]byte, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("the go command is needed: %w", err)
	}
	temporary, err := os.MkdirTemp("", "weir-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	out := filepath.Join(temporary, "plugin.wasm")
	cmd := exec.CommandContext(ctx, goTool, "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(tell, cleanLines(said.String()))
		return nil, fmt.Errorf("go build: %w", err)
	}
	return os.ReadFile(out)
}

// try loads a module and starts one instance, as a server would, and gives its hash.
func try(ctx context.Context, module []byte) (hash string, err error) {
	g, err := wasm.Open(ctx, wasm.Options{Module: module, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer g.Close()
	instance, fault := g.New()
	if fault != nil {
		return "", fmt.Errorf("start plugin: %+v", fault) //nolint:errorlint // %+v shows the guest's stack, which %w would leave out
	}
	instance.Close()
	return g.Hash(), nil
}

// replaceFile writes a file whole or not at all, so that a server that reloads never reads half of it.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".weir-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
