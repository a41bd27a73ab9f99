package wasm

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
)

// openCache opens the folder of compiled modules. It holds machine code that this process will run, so a folder that others could have written to
// is not used; it is made, for this user only, if it is not there.
func openCache(dir string) (wazero.CompilationCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open compilation cache: %w", err)
	}
	stat, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("open compilation cache: %w", err)
	}
	switch {
	case !stat.IsDir():
		return nil, fmt.Errorf("open compilation cache: %s is not a folder", dir)
	case stat.Mode()&(fs.ModePerm&^0o700) != 0:
		return nil, fmt.Errorf("open compilation cache: %s has mode %#o; run: chmod 700 %s", dir, stat.Mode().Perm(), dir)
	case !ownedByMe(stat):
		return nil, fmt.Errorf("open compilation cache: %s belongs to another user", dir)
	}
	trimCache(dir, cacheBytes, time.Now())
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open compilation cache: %w", err)
	}
	return cache, nil
}

// A compiled module takes up to 8 MB, and each build of a plugin is another one. cacheBytes is what they may take together, and cacheYoung the age below which
// none is removed, since another process may be writing it. Both are chosen: for a hundred builds, and for many times what a compilation takes.
const (
	cacheBytes = 1 << 30
	cacheYoung = time.Hour
)

// moduleName is how wazero names the file that it keeps a compiled module in, or writes it to.
var moduleName = regexp.MustCompile(`^[0-9a-f]{64}(\.[0-9]+\.tmp)?$`)

// trimCache removes modules, the longest unused first, until the rest has at most so many bytes. Other files in dir are not touched, nor counted. What cannot be
// removed stays; a module in use that is removed is compiled again the next time.
func trimCache(dir string, most int64, now time.Time) {
	type module struct {
		path string
		size int64
		used time.Time
	}
	var all []module
	var sum int64
	folders, _ := os.ReadDir(dir)
	for _, folder := range folders {
		if !folder.IsDir() || !strings.HasPrefix(folder.Name(), "wazero-") { // one for each version
			continue
		}
		files, _ := os.ReadDir(filepath.Join(dir, folder.Name()))
		for _, f := range files {
			stat, err := f.Info()
			if err == nil && stat.Mode().IsRegular() && moduleName.MatchString(f.Name()) {
				all = append(all, module{filepath.Join(dir, folder.Name(), f.Name()), stat.Size(), lastUsed(stat)})
				sum += stat.Size()
			}
		}
	}
	slices.SortFunc(all, func(a, b module) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, m := range all {
		if sum <= most || now.Sub(m.used) < cacheYoung {
			return
		}
		if err := os.Remove(m.path); err == nil || errors.Is(err, fs.ErrNotExist) { // others trim too
			sum -= m.size
		}
	}
}
