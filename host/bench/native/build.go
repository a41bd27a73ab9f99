// Package native builds weir with the first-party plugins linked in, to measure what their sandbox costs.
//
// It owns how that is done without a trace in a release: files that exist only for the compiler are laid over the tree, in which each plugin is a
// package of the program, and the host opens it by package inproc. Frames, codec, limits, routes and configuration stay as they are. The tree comes
// in; an executable goes out. It never writes into the tree, and what it builds is not for use: a plugin in it can hurt the host.
package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/weir-media/weir"

// Build builds the server to the file out. The modules of the same plugins must have been built before (make plugins): the host reads their
// manifests from them.
func Build(ctx context.Context, out string) error {
	if path, err := filepath.Abs(out); err == nil {
		out = path
	}
	return With(ctx, func(overlay, root string) error {
		_, err := goTool(ctx, root, "build", "-overlay", overlay, "-trimpath", "-ldflags", "-X main.release=native", "-o", out, "./host/cmd/weir")
		return err
	})
}

// With makes the files that are laid over the tree and calls use with the list of them, as the Go tool's flag -overlay takes it, and the tree's
// folder. Both are gone when With returns.
func With(ctx context.Context, use func(overlay, root string) error) error {
	found, err := goTool(ctx, "", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	root := strings.TrimSpace(found)
	dir, err := os.MkdirTemp("", "weir-native-")
	if err != nil {
		return fmt.Errorf("native build: %w", err)
	}
	defer os.RemoveAll(dir)
	o := overlay{dir: dir, replace: map[string]string{}}
	if err = o.lay(root); err != nil {
		return fmt.Errorf("native build: %w", err)
	}
	list, err := o.write()
	if err != nil {
		return fmt.Errorf("native build: %w", err)
	}
	return use(list, root)
}

// overlay is what the compiler sees in the place of the tree's files.
type overlay struct {
	dir     string
	replace map[string]string // path in the tree → path of the file that is laid over it
}

// lay makes all files for a tree.
func (o *overlay) lay(root string) error {
	manifests, err := filepath.Glob(filepath.Join(root, "plugins", "*", "plugin.yaml"))
	if err != nil || len(manifests) == 0 {
		return fmt.Errorf("no plugin in %s (%w)", filepath.Join(root, "plugins"), err)
	}
	var names []string
	for _, path := range manifests {
		folder := filepath.Dir(path)
		names = append(names, filepath.Base(folder))
		if err = o.plugin(folder); err != nil {
			return err
		}
	}
	return errors.Join(
		o.put(filepath.Join(root, "host", "bench", "native", "linked", "list.go"), listOf(names)),
		o.put(filepath.Join(root, "host", "compile.go"), []byte(compileText)),
	)
}

// plugin makes a package of a plugin's program.
func (o *overlay) plugin(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	name := packageOf(filepath.Base(folder))
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			o.replace[path] = "" // of package main; the Go tool sees no such file
			continue
		}
		text, err := renamed(path, name)
		if err == nil {
			err = o.put(path, text)
		}
		if err != nil {
			return err
		}
	}
	return o.put(filepath.Join(folder, "weir_linked.go"), fmt.Appendf(nil, linkedText, name))
}

// packageOf gives a plugin's package a name that no package of the standard library has.
func packageOf(plugin string) string { return "plugin" + strings.ReplaceAll(plugin, "-", "") }

// renamed is a file of a program as one of a package.
func renamed(path, name string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.PackageClauseOnly)
	if err != nil {
		return nil, err
	}
	if file.Name.Name != "main" {
		return nil, fmt.Errorf("%s: is of package %s; a plugin is a program", path, file.Name.Name)
	}
	at := set.Position(file.Name.Pos()).Offset
	return bytes.Join([][]byte{text[:at], []byte(name), text[at+len("main"):]}, nil), nil
}

func (o *overlay) put(over string, text []byte) error {
	path := filepath.Join(o.dir, fmt.Sprintf("%d.go", len(o.replace)))
	o.replace[over] = path
	return os.WriteFile(path, text, 0o600)
}

// write writes the list for the Go tool.
func (o *overlay) write() (path string, err error) {
	text, err := json.Marshal(map[string]map[string]string{"Replace": o.replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(o.dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// goTool runs the Go tool in a folder and gives what it wrote to its standard output.
func goTool(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as a release is built
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("native build: go %s: %w\n%s", args[0], err, complaint.Bytes())
	}
	return string(text), nil
}
