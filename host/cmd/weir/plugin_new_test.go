package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPluginNew(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errOut bytes.Buffer
	if code := execute(t.Context(), []string{"plugin", "new", "mine"}, &out, &errOut); code != exitOK {
		t.Fatalf("exit %d: %s", code, &errOut)
	}
	for _, want := range []string{"weir plugin build", "mine: {module: mine/mine.wasm, listeners: [web]", "curl 'http://localhost:8080/mine?name=you'"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the next steps lack %q:\n%s", want, &out)
		}
	}
	for _, file := range []string{"mine.go", "mine_test.go", "main.go", "plugin.yaml", "go.mod", "README.md", "weir/go.mod", "weir/abi/v1/doc.go", "weir/sdk/sdktest/doc.go"} {
		if _, err := os.Stat(filepath.Join("mine", filepath.FromSlash(file))); err != nil {
			t.Error(err)
		}
	}
	errOut.Reset()
	if code := execute(t.Context(), []string{"plugin", "new", "mine"}, &out, &errOut); code != exitFailed || !strings.Contains(errOut.String(), "not empty") {
		t.Errorf("a second time: exit %d, %q", code, &errOut)
	}
}

func TestPluginNewJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errOut bytes.Buffer
	if code := execute(t.Context(), []string{"--json", "plugin", "new", "mine", "--lang", "go"}, &out, &errOut); code != exitOK {
		t.Fatalf("exit %d: %s", code, &errOut)
	}
	var made newFolder
	if err := json.Unmarshal(out.Bytes(), &made); err != nil || made.Folder != "mine" || len(made.Files) < 20 {
		t.Errorf("%v: %+v", err, made)
	}
}

func TestPluginNewRefusesNames(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"../up"}, {"a/b"}, {"Mine"}, {"9"}, {""}, {"a\nb"}, {strings.Repeat("x", 33)}, {"main"}, {"null"}, {}, {"a", "b"}, {"mine", "--lang", "cobol"}} {
		var out, errOut bytes.Buffer
		if code := execute(t.Context(), append([]string{"plugin", "new"}, args...), &out, &errOut); code != exitUsage || errOut.Len() == 0 {
			t.Errorf("%q: exit %d, %q", args, code, &errOut)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
