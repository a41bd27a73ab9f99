package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTrail(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"real/deep", "releases/5"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"real/deep/a.yaml", "releases/5/x.wasm"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"current": "releases/5", "real/b.yaml": "deep/../deep/a.yaml", "absolute": dir + "/real", "loop": "loop", "lost": "none/at/all",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"real/deep/a.yaml":       "real real/deep real/deep/a.yaml",
		"current/x.wasm":         "current releases releases/5 releases/5/x.wasm",
		"real/b.yaml":            "real real/b.yaml real/deep real/deep real/deep/a.yaml",
		"absolute/b.yaml":        "absolute real real/b.yaml real/deep real/deep real/deep/a.yaml",
		"real/../current/x.wasm": "real current releases releases/5 releases/5/x.wasm",
		"none/more/x.wasm":       "none",
		"lost":                   "lost none",
	} {
		var got []string
		for _, e := range trail(dir + "/" + path) {
			if in, ok := strings.CutPrefix(e, dir+"/"); ok {
				got = append(got, in)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", path, got, want)
		}
	}
	above := strings.Count(dir, "/")
	if n := len(trail(dir + "/loop")); n != above+maxLinks+1 {
		t.Errorf("a loop has %d entries", n)
	}
	if all := trail(dir + "/lost"); all[above-1] != dir || all[above-2] != filepath.Dir(dir) {
		t.Errorf("the folders above are not in %q", all)
	}
	if a, b := stampOf(dir+"/current/x.wasm"), stampOf(dir+"/releases/5/x.wasm"); a != b || a == (stamp{}) || a == stampOf(dir+"/real/b.yaml") {
		t.Errorf("stamps %+v and %+v", a, b)
	}
	if s := stampOf(dir + "/lost"); s != (stamp{}) || stampOf(dir) != s {
		t.Errorf("stamp of nothing %+v", s)
	}
	if e := trail("/"); !slices.Equal(e, nil) {
		t.Errorf("of the root %q", e)
	}
}
