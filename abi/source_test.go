package abisource

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSourcesAreTheFolder(t *testing.T) {
	files, err := filepath.Glob("v1/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range files {
		if f = filepath.ToSlash(f); !strings.HasSuffix(f, "_test.go") {
			want = append(want, f)
		}
	}
	got, err := fs.Glob(Sources(), "v1/*")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("embedded %q, the folder has %q: mend the list in source.go", got, want)
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

// Written into an author's folder, the sources must not need this module.
func TestSourcesImportTheStandardLibraryOnly(t *testing.T) {
	files, err := fs.Glob(Sources(), "v1/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := Sources().ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("weir-media")) {
			t.Errorf("%s names this module", f)
		}
	}
}
