package builtin

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var filled = fstest.MapFS{
	"dist/README.md":      {Data: []byte("# x")},
	"dist/mpegts.wasm":    {Data: []byte("\x00asm2")},
	"dist/asf.wasm":       {Data: []byte("\x00asm1")},
	"dist/.wasm":          {Data: []byte("no name")},
	"dist/dir.wasm/x.txt": {Data: []byte("a folder")},
}

func TestModule(t *testing.T) {
	b, err := module(filled, "asf")
	if err != nil || !bytes.Equal(b, []byte("\x00asm1")) {
		t.Fatalf("asf: %q, %v", b, err)
	}
	if got := names(filled); !slices.Equal(got, []string{"asf", "mpegts"}) {
		t.Fatalf("names %q", got)
	}
}

func TestMissingModuleNamesTheRemedy(t *testing.T) {
	for _, from := range []fstest.MapFS{filled, {}} {
		_, err := module(from, "wmsp")
		if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "make plugins") || !strings.Contains(err.Error(), `"wmsp"`) {
			t.Errorf("error %q", err)
		}
	}
	if _, err := Module("no-such-plugin"); !errors.Is(err, ErrMissing) {
		t.Errorf("embedded: %v", err)
	}
}

func TestModuleRefusesPaths(t *testing.T) {
	for _, name := range []string{"", "../x", "a/b", `a\b`, "/x", "."} {
		if _, err := module(filled, name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}

func TestEmbeddedFolderIsReadable(t *testing.T) {
	for _, name := range Names() {
		if b, err := Module(name); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if _, err := dist.ReadFile("dist/README.md"); err != nil {
		t.Error(err)
	}
}
