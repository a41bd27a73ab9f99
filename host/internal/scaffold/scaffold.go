// Package scaffold makes the folder with which an author begins a plugin.
//
// It owns the templates, and knows where the sources of abi and sdk belong so that the plugin builds without a network and without weir's own
// repository. A plugin's name comes in; files, or a folder on disk, go out. It never judges names, never runs the Go tool and never writes into a
// folder that holds something.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	abisource "github.com/weir-media/weir/abi"
	"github.com/weir-media/weir/sdk"
)

// NAME in a template's path stands for the plugin's name; .tmpl is cut off. testplugins/hello is these templates filled in, held so by a test.
//
//go:embed golang weir
var templates embed.FS

const (
	nameMark  = "NAME"
	suffix    = ".tmpl"
	sourceDir = "weir" // the module of abi and sdk within a plugin's folder
)

// File is one file of a plugin's folder.
type File struct {
	Path  string // slash-separated, from the plugin's folder
	Bytes []byte
}

// Go gives the files of a new plugin in Go, sorted by path. The name is the caller's to judge by the manifest's rule; "main" is refused, since
// its file would be main.go twice.
func Go(name string) ([]File, error) {
	if name == "main" {
		return nil, errors.New("a plugin in Go cannot be named \"main\": main.go is taken; choose another name")
	}
	var files []File
	own, err := fs.Sub(templates, "golang")
	if err == nil {
		files, err = appendAll(files, own, "", name)
	}
	for _, source := range []struct {
		all    fs.FS
		folder string
	}{{abisource.Sources(), sourceDir + "/abi"}, {sdk.Sources(), sourceDir + "/sdk"}} {
		if err == nil {
			files, err = appendAll(files, source.all, source.folder, name)
		}
	}
	if err == nil {
		files, err = appendAll(files, templates, "", name, "golang")
	}
	if err != nil {
		return nil, fmt.Errorf("new plugin %q: %w", name, err)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// appendAll appends the files of all, except the folders named, with templates filled in.
func appendAll(files []File, all fs.FS, folder, name string, except ...string) ([]File, error) {
	err := fs.WalkDir(all, ".", func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if slices.Contains(except, at) {
				return fs.SkipDir
			}
			return nil
		}
		text, err := fs.ReadFile(all, at)
		if err != nil {
			return err
		}
		target, isTemplate := strings.CutSuffix(at, suffix)
		if isTemplate {
			target = strings.ReplaceAll(target, nameMark, name)
			if text, err = fill(at, text, name); err != nil {
				return err
			}
		}
		files = append(files, File{path.Join(folder, target), text})
		return nil
	})
	return files, err
}

func fill(at string, text []byte, name string) ([]byte, error) {
	t, err := template.New(at).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct{ Name string }{name})
	return out.Bytes(), err
}

// Write makes the folder dir with files in it. A folder that holds something is refused and left as it is; after any other error dir is gone.
func Write(dir string, files []File) error {
	held, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("new plugin: %w", err)
	case len(held) > 0:
		return fmt.Errorf("new plugin: the folder %s is not empty; choose another name, or remove it", dir)
	}
	if err := writeAll(dir, files); err != nil {
		return errors.Join(fmt.Errorf("new plugin: %w", err), os.RemoveAll(dir))
	}
	return nil
}

func writeAll(dir string, files []File) error {
	for _, f := range files {
		target := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(target, f.Bytes, 0o666); err != nil {
			return err
		}
	}
	return nil
}
