package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ReadUsers reads a file of users.
func ReadUsers(path string) (*Users, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return ParseUsers(path, text)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxUsersFile+1))
}

// PutLine puts a user's line into a file, in the place of the one that is there, or at the
// end; the file is made if there is none. An empty line takes the user out. What else the
// file holds stays. It tells whether the user was there.
//
// The file has mode 0600, and is replaced whole or not at all.
func PutLine(path, name, line string) (was bool, err error) {
	text, err := readFile(path)
	if err != nil && (line == "" || !errors.Is(err, fs.ErrNotExist)) {
		return false, err
	}
	if _, err = ParseUsers(path, text); err != nil {
		return false, err
	}
	var out strings.Builder
	for old := range bytes.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(string(old)), name+":") {
			was = true
			if line != "" {
				out.WriteString(line + "\n")
			}
			continue
		}
		out.WriteString(strings.TrimRight(string(old), "\r\n") + "\n")
	}
	switch {
	case line == "" && !was:
		return false, fmt.Errorf("%s: there is no user %s", path, name)
	case !was:
		out.WriteString(line + "\n")
	}
	return was, replace(path, out.String())
}

// replace writes a file beside another, and puts it in its place.
func replace(path, text string) (err error) {
	if at, linkErr := filepath.EvalSymlinks(path); linkErr == nil {
		path = at
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".weir-users-") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if st, statErr := os.Stat(path); statErr == nil {
		if owner, ok := st.Sys().(*syscall.Stat_t); ok && (int(owner.Uid) != os.Geteuid() || int(owner.Gid) != os.Getegid()) {
			_ = f.Chown(int(owner.Uid), int(owner.Gid)) // root keeps the file weir's; nobody else may
		}
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
