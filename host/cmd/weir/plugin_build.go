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
	var asProc bool
	cmd := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Build a plugin written in Go",
		Long: "Build compiles the Go program in DIR (default: the current folder) to WebAssembly, puts DIR/" + manifestFile + " into the module,\n" +
			"and judges, compiles and starts the result as a server would, with an empty configuration. Nothing is written unless all of that works.\n" +
			"With --proc the plugin becomes a program of this machine instead, for exec: in plugins.yaml; as root it is tried as user " + triedAs + ".\n" +
			"That needs package sdk/proc and the modules it is made of (go-plugin, gRPC), which the folder of `weir plugin new` does not hold: there,\n" +
			"put a copy of weir's whole repository in the place of ./weir, and have those modules fetched once, as the last example does.",
		Example: "  weir plugin build ./mine -o mine.wasm\n  weir plugin build --proc ./mine -o mine\n" +
			"  cd mine && go mod edit -replace=github.com/weir-media/weir=/path/to/weir && go get github.com/weir-media/weir/sdk/proc",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			made := buildModule
			if asProc {
				made = buildProgram
			}
			built, err := buildPlugin(cmd.Context(), dir, file, cmd.ErrOrStderr(), made)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), built)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %s -> %s\nsize %s (%d bytes)\nsha256 %s\n", built.Name, built.Version, built.File,
				size(built.Bytes), built.Bytes, built.Hash)
			if built.Note != "" {
				fmt.Fprintln(cmd.OutOrStdout(), "note: "+clean(built.Note))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "where the result goes (default: NAME.wasm in the current folder, with --proc NAME)")
	cmd.Flags().BoolVar(&asProc, "proc", false, "build a program of its own, which is no sandbox")
	return cmd
}

// built is a plugin's module as `weir plugin build` wrote it.
type built struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	File    string `json:"file"`
	Bytes   int    `json:"bytes"`
	Hash    string `json:"sha256"`
	Note    string `json:"note,omitempty"` // what the trial could not tell
}

// product is what was built: its bytes, and what their trial has told.
type product struct {
	code []byte
	tried
	suffix string // of the file's name
	mode   fs.FileMode
}

// buildPlugin builds the program in dir; what the Go tool says goes to tell.
func buildPlugin(ctx context.Context, dir, file string, tell io.Writer, build func(context.Context, string, []byte, io.Writer) (product, error)) (built, error) {
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
	p, err := build(ctx, dir, text, tell)
	if err != nil {
		return built{}, fmt.Errorf("build plugin %q: %w", m.Name, err)
	}
	b := built{Name: m.Name, Version: m.Version, File: file, Bytes: len(p.code), Hash: p.hash, Note: p.note}
	if b.File == "" {
		b.File = m.Name + p.suffix
	}
	if err := replaceFile(b.File, p.code, p.mode); err != nil {
		return built{}, fmt.Errorf("build plugin %q: %w", m.Name, err)
	}
	return b, nil
}

func buildModule(ctx context.Context, dir string, manifest []byte, tell io.Writer) (product, error) {
	module, err := compile(ctx, dir, tell)
	if err != nil {
		return product{}, err
	}
	module = wasm.WithManifest(module, manifest)
	is, err := try(ctx, module)
	return product{module, is, ".wasm", 0o644}, err
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
	cmd := exec.CommandContext(ctx, goTool, "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w", "-o", out, ".")
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

// try loads a module and starts one instance, as a server would.
func try(ctx context.Context, module []byte) (tried, error) {
	g, err := wasm.Open(ctx, wasm.Options{Module: module, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return tried{}, err
	}
	defer g.Close()
	return tryStart(g)
}

// replaceFile writes a file whole or not at all, so that a server that reloads never reads half of it.
func replaceFile(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".weir-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
