package admin

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func maxOpenFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Cur
}

// lockFolder keeps other servers from looking at the socket file while this one does. Nothing is left behind by it.
func lockFolder(path string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("lock folder %s: %w", dir.Name(), err)
	}
	return func() { dir.Close() }, nil
}

// ownerOnly has bind create the socket file with mode 0600 at once: Linux takes the mode from the socket's inode.
func ownerOnly(_, _ string, c syscall.RawConn) error {
	var failed error
	if err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), socketMode) }); err != nil {
		return err
	}
	return failed
}
