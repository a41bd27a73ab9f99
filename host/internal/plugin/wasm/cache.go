package wasm

import (
	"fmt"
	"io/fs"
	"os"

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
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open compilation cache: %w", err)
	}
	return cache, nil
}
