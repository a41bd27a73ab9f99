package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPluginBuildProgram(t *testing.T) {
	needPrograms(t)
	file := filepath.Join(t.TempDir(), "tiny")
	code, out, errOut := weir("plugin", "build", "--proc", "testdata/tiny", "-o", file, "--json")
	var b built
	if err := json.Unmarshal([]byte(out), &b); err != nil || code != 0 || b.Name != "tiny" || len(b.Hash) != 64 {
		t.Fatalf("weir plugin build --proc: exit %d, %q %q, %v", code, out, errOut, err)
	}
	manifest, err := os.ReadFile("testdata/tiny/plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	printed, err := exec.Command(file, "--manifest").Output()
	if err != nil || string(printed) != string(manifest) {
		t.Errorf("%q, %v", printed, err)
	}
	said, err := exec.Command(file).CombinedOutput()
	if err == nil || !strings.Contains(string(said), "name it in plugins.yaml as exec:") {
		t.Errorf("%q, %v", said, err)
	}
	var i inspection
	_, out, errOut = weir("plugin", "inspect", file, "--json")
	if err = json.Unmarshal([]byte(out), &i); err != nil || i.Hash != b.Hash || i.Carrier != "proc" || i.Name != "tiny" || i.Manifest != string(manifest) {
		t.Errorf("inspected %+v, %q, %v", i, errOut, err)
	}
	if _, out, _ = weir("plugin", "inspect", file); !strings.Contains(out, "carrier       proc") {
		t.Error(out)
	}
}

func TestPluginBuildProgramTellsWhatIsWrong(t *testing.T) {
	needPrograms(t)
	good, err := os.ReadFile("testdata/tiny/plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	alone := "module alone\n\ngo 1.26\n"
	for _, c := range []struct{ name, program, mod, says string }{
		{"program", "package main\n\nfunc main() { nothing() }\n", "", "undefined: nothing"},
		{"no plugin", "package main\n\nfunc main() {}\n", "", "did not print a manifest"},
		{"a module without weir", "package main\n\nfunc main() {}\n", alone, "does not provide github.com/weir-media/weir/sdk/proc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent := "testdata"
			if c.mod != "" {
				parent = t.TempDir()
			}
			dir, err := os.MkdirTemp(parent, "wrong-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			write(t, filepath.Join(dir, "plugin.yaml"), string(good))
			write(t, filepath.Join(dir, "main.go"), c.program)
			if c.mod != "" {
				write(t, filepath.Join(dir, "go.mod"), c.mod)
			}
			out := filepath.Join(t.TempDir(), "out")
			code, _, errOut := weir("plugin", "build", "--proc", dir, "-o", out)
			if _, err := os.Stat(out); code == 0 || err == nil || !strings.Contains(errOut, c.says) {
				t.Errorf("exit %d, %q; want %q", code, errOut, c.says)
			}
		})
	}
}

func needPrograms(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("plugins are programs on Linux only")
	}
}
