package wasm

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func cachedFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCacheIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when needed")
	module := newPlugin(bodyEcho).bytes()
	var out lines
	for range 2 {
		mustNew(t, mustOpen(t, Options{Module: module, CacheDir: dir, Log: out.logger()}))
	}
	if files := cachedFiles(t, dir); len(files) != 1 || out.String() != "" {
		t.Errorf("files %q, log %s", files, out.String())
	}
	if stat, err := os.Stat(dir); err != nil || stat.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", stat.Mode(), err)
	}
}

func TestUnsafeCacheIsNotUsed(t *testing.T) {
	readable := filepath.Join(t.TempDir(), "readable")
	if err := os.Mkdir(readable, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ dir, want string }{{readable, "run: chmod 700"}, {file, "not a directory"}, {link, "is not a folder"}} {
		var out lines
		i := mustNew(t, mustOpen(t, Options{Module: newPlugin(bodyEcho).bytes(), CacheDir: test.dir, Log: out.logger()}))
		frame := frameOf(testHead, "works without")
		if answer, f := i.Call(0, frame); f != nil || !bytes.Equal(answer, frame) {
			t.Errorf("%s: %v", test.dir, f)
		}
		if !strings.Contains(out.String(), test.want) || !strings.Contains(out.String(), "compile without cache") {
			t.Errorf("log %q; want %q", out.String(), test.want)
		}
		if files := cachedFiles(t, readable); len(files) != 0 {
			t.Errorf("files %q", files)
		}
	}
}

func TestDamagedCacheIsNotUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	module := newPlugin(bodyEcho).bytes()
	mustOpen(t, Options{Module: module, CacheDir: dir})
	for _, file := range cachedFiles(t, dir) {
		if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i := mustNew(t, mustOpen(t, Options{Module: module, CacheDir: dir}))
	if _, f := i.Call(0, emptyFrame); f != nil {
		t.Error(f)
	}
}

func TestCacheIsTrimmed(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	key := func(c string) string { return strings.Repeat(c, 64) }
	for name, age := range map[string]time.Duration{
		"wazero-v1/" + key("a"): 9 * time.Hour, "wazero-v2/" + key("b"): 8 * time.Hour, "wazero-v2/" + key("c") + ".12.tmp": 7 * time.Hour, "wazero-v2/" + key("d"): time.Minute,
		"wazero-v2/film.asf": 10 * time.Hour, "archive/film.asf": 10 * time.Hour, "plugins.yaml": 10 * time.Hour, key("e"): 10 * time.Hour, "archive/" + key("f"): 10 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	const others = "e f film.asf film.asf plugins.yaml"
	for _, test := range []struct {
		most int64
		left string
	}{{400, "a b c d " + others}, {399, "b c d " + others}, {200, "c d " + others}, {0, "d " + others}} {
		trimCache(dir, test.most, now)
		var left []string
		for _, f := range cachedFiles(t, dir) {
			name, _, _ := strings.Cut(filepath.Base(f), ".12.tmp")
			left = append(left, strings.Replace(name, strings.Repeat(name[:1], 64), name[:1], 1))
		}
		slices.Sort(left)
		if got := strings.Join(left, " "); got != test.left {
			t.Errorf("with %d bytes %q is left; want %q", test.most, got, test.left)
		}
	}
	trimCache(filepath.Join(dir, "missing"), 0, now)
}

// TestCacheIsTrimmedAtOnce: plugins that are opened beside each other remove together what one would.
func TestCacheIsTrimmedAtOnce(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "wazero-v1")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	const files, left = 200, 50
	for i := range files {
		path := filepath.Join(folder, fmt.Sprintf("%064x", i))
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-2*time.Hour), now.Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { trimCache(dir, left*100, now) })
	}
	all.Wait()
	if n := len(cachedFiles(t, dir)); n != left {
		t.Errorf("%d of %d files are left, %d may be", n, files, left)
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if g, err := Open(ctx, Options{Name: "sinner", Module: newPlugin(bodyEcho).bytes(), CacheDir: filepath.Join(t.TempDir(), "c")}); err == nil {
		g.Close() // small modules may compile before anybody looks at the context
	}
}
