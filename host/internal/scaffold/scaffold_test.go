package scaffold

import (
	"bytes"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const repository = "../../.."

func goFolder(t *testing.T, name string) map[string][]byte {
	t.Helper()
	files, err := Go(name)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if _, twice := all[f.Path]; twice {
			t.Errorf("%s stands twice", f.Path)
		}
		all[f.Path] = f.Bytes
	}
	return all
}

// TestTemplateIsHello: the plugin that this repository builds, tests and runs is what an author gets.
func TestTemplateIsHello(t *testing.T) {
	hello := filepath.Join(repository, "testplugins", "hello")
	made := goFolder(t, "hello")
	compared := 0
	err := filepath.WalkDir(hello, func(path string, e os.DirEntry, err error) error {
		short, _ := filepath.Rel(hello, path)
		if err != nil || e.IsDir() || short == "README.md" || filepath.Ext(short) == ".wasm" {
			return err
		}
		want, err := os.ReadFile(path)
		if got := made[filepath.ToSlash(short)]; !bytes.Equal(got, want) {
			t.Errorf("%s is not the template filled in with \"hello\":\n%s\n-- template:\n%s", path, want, got)
		}
		compared++
		return err
	})
	if err != nil || compared < 6 {
		t.Errorf("%d files compared: %v", compared, err)
	}
}

// TestGreetingStays: the plugin's name goes where a name belongs and nowhere else.
func TestGreetingStays(t *testing.T) {
	for path, text := range goFolder(t, "time-signal") {
		if strings.HasPrefix(path, sourceDir+"/") {
			continue
		}
		if bytes.Contains(text, []byte("/hello")) || bytes.Contains(text, []byte("{{")) || bytes.Contains(text, []byte("hello.")) {
			t.Errorf("%s still names the example:\n%s", path, text)
		}
	}
}

func TestLicenceIsTheRepositorys(t *testing.T) {
	want, err := os.ReadFile(filepath.Join(repository, "LICENSE"))
	if got := goFolder(t, "x")["weir/LICENSE"]; err != nil || !bytes.Equal(got, want) {
		t.Errorf("weir/LICENSE is not the repository's: %v", err)
	}
}

func TestGoVersionIsTheRepositorys(t *testing.T) {
	directive := regexp.MustCompile(`(?m)^go (\S+)$`)
	text, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(version.Lang("go"+string(directive.FindSubmatch(text)[1])), "go")
	files := goFolder(t, "x")
	for _, path := range []string{"go.mod", "weir/go.mod"} {
		if m := directive.FindSubmatch(files[path]); m == nil || string(m[1]) != want {
			t.Errorf("%s says %q; the sources are written for go %s", path, m, want)
		}
	}
}

// TestNames builds and tests plugins whose names mean something to Go, YAML or the templates, with nothing but the standard library within reach.
func TestNames(t *testing.T) {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"time", "requests", "weir", "go", "true", "a-b-test", strings.Repeat("x", 32)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := Go(name)
			if err != nil {
				t.Fatal(err)
			}
			home := t.TempDir()
			dir := filepath.Join(home, name)
			if err := Write(dir, files); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", "test", "-count=1", "./...")
			cmd.Dir = dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GOCACHE=" + strings.TrimSpace(string(cache)), "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local"}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("go test: %v\n%s", err, out)
			}
		})
	}
	if _, err := Go("main"); err == nil {
		t.Error("main: no error, yet main.go is taken")
	}
}

func TestWriteKeepsWhatIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	files := []File{{"a.txt", []byte("1")}, {"b/c.txt", []byte("2")}}
	for range 2 {
		if err := Write(dir, files); err != nil {
			t.Fatal(err)
		}
		if err := Write(dir, []File{{"a.txt", []byte("3")}}); err == nil {
			t.Error("a folder that holds something was written into")
		}
		if b, err := os.ReadFile(filepath.Join(dir, "b", "c.txt")); string(b) != "2" {
			t.Errorf("b/c.txt = %q, %v", b, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "a.txt")); string(b) != "1" {
			t.Errorf("a.txt = %q, %v", b, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o777); err != nil { // an empty one is fine
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, files); err == nil {
		t.Error("a file was taken for a folder")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("the file is gone")
	}
}

func TestWriteLeavesNothingBehindAfterAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	err := Write(dir, []File{{"a", nil}, {"a/b", nil}})
	if _, statErr := os.Stat(dir); err == nil || !os.IsNotExist(statErr) {
		t.Errorf("error %v; the folder: %v", err, statErr)
	}
}

func TestFilesAreSorted(t *testing.T) {
	files, err := Go("x")
	if err != nil || !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
		t.Errorf("not sorted, or %v", err)
	}
}
