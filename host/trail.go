package host

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxLinks is how many links a path may lead over (path_resolution(7)).
const maxLinks = 40

// trail lists the entries of folders that decide which file an absolute path leads to:
// each folder and link on its way, then the file. Where an entry is missing the trail ends
// with it.
func trail(path string) (entries []string) {
	split := func(p string) []string { return strings.Split(filepath.ToSlash(p), "/") }
	at, rest, links := "/", split(path), 0
	for len(rest) > 0 {
		step := rest[0]
		rest = rest[1:]
		switch step {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, step)
		entries = append(entries, next)
		if target, err := os.Readlink(next); err == nil {
			if links++; links > maxLinks {
				return entries
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(split(target), rest...)
			continue
		}
		if _, err := os.Lstat(next); err != nil {
			return entries
		}
		at = next
	}
	return entries
}

// stamp tells a file's content from another without reading it. The zero stamp is of
// no file.
type stamp struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

func stampOf(path string) stamp {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return stamp{}
	}
	s := stamp{size: st.Size(), modified: st.ModTime()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode = uint64(sys.Dev), sys.Ino //nolint:unconvert // 32 bits wide on some systems
	}
	return s
}
