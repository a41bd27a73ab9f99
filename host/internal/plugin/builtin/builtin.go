// Package builtin holds the plugins that a release of weir carries inside its own file.
//
// It owns the folder dist, which `make plugins` fills with one NAME.wasm for each folder of plugins/ before the host is built. Nothing comes in; a
// module's bytes go out. It never looks into a module and never starts one. A host built from a fresh clone has an empty dist: it runs, and says
// what to do when a plugin is missing.
package builtin

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// ErrMissing is in the error of Module when this host was built without that plugin.
var ErrMissing = errors.New("not built into this host")

const suffix = ".wasm"

//go:embed all:dist
var dist embed.FS

// Module gives the WebAssembly module of the built-in plugin of that name. The bytes are the caller's.
func Module(name string) ([]byte, error) { return module(dist, name) }

// Names lists the built-in plugins in alphabetical order. The slice is the caller's.
func Names() []string { return names(dist) }

func module(from fs.FS, name string) ([]byte, error) {
	path := "dist/" + name + suffix
	if name == "" || strings.ContainsAny(name, `/\`) || !fs.ValidPath(path) {
		return nil, fmt.Errorf("open built-in plugin %q: not a plugin's name", name)
	}
	b, err := fs.ReadFile(from, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open built-in plugin %q: %w (built in: %s); run `make plugins` and build the host again", name, ErrMissing, list(names(from)))
	}
	if err != nil {
		return nil, fmt.Errorf("open built-in plugin %q: %w", name, err)
	}
	return b, nil
}

func names(from fs.FS) []string {
	entries, err := fs.ReadDir(from, "dist")
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && !e.IsDir() && name != "" {
			all = append(all, name)
		}
	}
	return all
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
