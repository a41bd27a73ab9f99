package hosttest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	procbuild "github.com/weir-media/weir/host/internal/plugin/proc/build"
)

// BuildProc gives the path of the program of the plugin whose source in Go and
// plugin.yaml are in a folder. It is built once per test binary.
func BuildProc(t testing.TB, dir string) string {
	t.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := programs.LoadOrStore(abs, sync.OnceValues(func() (string, error) { return buildProc(abs) }))
	path, err := f.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Exec is BuildProc in the words of plugins.yaml, `exec: PATH` and, where weir runs as
// root, `, user: nobody`: for `plugins: {NAME: {` + Exec(t, dir) + `, listeners: […]}}`.
func Exec(t testing.TB, dir string) string {
	t.Helper()
	text := "exec: " + strconv.Quote(BuildProc(t, dir))
	if os.Geteuid() == 0 {
		text += ", user: nobody"
	}
	return text
}

var programs sync.Map // folder → func() (string, error)

// buildProc builds aside: other test binaries may run the program that is there.
func buildProc(dir string) (string, error) {
	manifest, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	folder := cacheDir("programs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	sum := sha256.Sum256([]byte(dir))
	path := filepath.Join(folder, fmt.Sprintf("%s-%x", filepath.Base(dir), sum[:4]))
	aside := path + "-" + strconv.Itoa(os.Getpid())
	if said, err := procbuild.Go(context.Background(), dir, string(manifest), aside); err != nil {
		return "", fmt.Errorf("build plugin %s: %w\n%s", dir, err, said)
	}
	if err := os.Rename(aside, path); err != nil {
		return "", fmt.Errorf("build plugin: %w", err)
	}
	return path, nil
}
