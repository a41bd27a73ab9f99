package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// folderMark begins the names of folders.
const folderMark = "weir-sockets-"

// folder is one in which programs have their sockets. It is locked while its weir lives, so that the next one can remove what a killed one left.
type folder struct {
	path string
	lock *os.File
}

// newFolder makes a folder in dir, and removes those of servers that are gone.
func newFolder(dir string) (folder, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	removeOrphans(dir)
	const tries = 4 // somebody may remove it before it is locked
	for range tries {
		path, err := os.MkdirTemp(dir, folderMark)
		if err != nil {
			return folder{}, fmt.Errorf("folder for sockets: %w", err)
		}
		// The account must pass through it, but only weir may put anything into it.
		if err = os.Chmod(path, 0o711); err != nil && !errors.Is(err, os.ErrNotExist) {
			return folder{}, fmt.Errorf("folder for sockets: %w", err)
		}
		if lock := lockFolder(path); lock != nil {
			return folder{path, lock}, nil
		}
	}
	return folder{}, fmt.Errorf("folder for sockets: %s does not keep it", dir)
}

// lockFolder is nil for a folder that is not there, is another user's, or is locked.
func lockFolder(path string) *os.File {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), path)
	var about unix.Stat_t
	if unix.Fstat(fd, &about) == nil && int(about.Uid) == os.Geteuid() && unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		if now, err := os.Lstat(path); err == nil {
			if was, err := f.Stat(); err == nil && os.SameFile(was, now) {
				return f
			}
		}
	}
	_ = f.Close() // nothing was written
	return nil
}

// removeOrphans removes folders whose server was killed.
func removeOrphans(dir string) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return // the folder that is made next says why
	}
	for _, e := range all {
		if e.IsDir() && strings.HasPrefix(e.Name(), folderMark) {
			path := filepath.Join(dir, e.Name())
			old := folder{path, lockFolder(path)}
			old.remove()
		}
	}
}

// remove removes the folder, if there is one, and all that programs put there.
func (f *folder) remove() {
	if f.lock != nil {
		_ = os.RemoveAll(f.path) // what stays, the next server removes
		_ = f.lock.Close()       // nothing was written
		f.lock = nil
	}
}
