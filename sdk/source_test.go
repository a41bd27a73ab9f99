//go:build !wasip1

package sdk

import (
	"bytes"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSourcesAreTheFolder holds the list of source.go to what a plugin's author builds with.
func TestSourcesAreTheFolder(t *testing.T) {
	want, got := goFiles(t, os.DirFS(".")), goFiles(t, Sources())
	if !slices.Equal(got, want) {
		t.Fatalf("embedded %q,\nthe folder has %q:\nmend the list in source.go", got, want)
	}
	for _, f := range want {
		onDisk, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if embedded, err := Sources().ReadFile(f); err != nil || !bytes.Equal(embedded, onDisk) {
			t.Errorf("%s: %v, or other bytes than the file's", f, err)
		}
	}
}

// goFiles gives what has to be embedded. The folder proc needs modules from elsewhere; conformance is for this repository.
func goFiles(t *testing.T, all fs.FS) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(all, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			if slices.Contains([]string{"testdata", "proc", "conformance"}, e.Name()) {
				return fs.SkipDir
			}
		case path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") && name != "source.go":
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestSourcesAreClosed: what the embedded files import is embedded too, is abi/v1, or is in the standard library.
func TestSourcesAreClosed(t *testing.T) {
	const module = "github.com/weir-media/weir/"
	files := goFiles(t, Sources())
	for _, name := range files {
		text, err := Sources().ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(imported, "/")
			folder := strings.TrimPrefix(strings.TrimPrefix(imported, module+"sdk"), "/")
			switch {
			case !strings.Contains(first, "."), imported == module+"abi/v1", imported == module+"sdk":
			case slices.ContainsFunc(files, func(f string) bool { return path.Dir(f) == folder }):
			default:
				t.Errorf("%s imports %s, which an author's folder does not have", name, imported)
			}
		}
	}
}

// TestGuestsDoNotCarrySources: the embedding file is not part of a Wasm build.
func TestGuestsDoNotCarrySources(t *testing.T) {
	guest := build.Default
	guest.GOOS, guest.GOARCH = "wasip1", "wasm"
	p, err := guest.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(p.GoFiles, "source.go") || slices.Contains(p.Imports, "embed") {
		t.Errorf("a guest is built from %q and imports %q", p.GoFiles, p.Imports)
	}
}
