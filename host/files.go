package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/sample"
)

// builtinFiles is the folder under which the files inside the binary are opened.
const builtinFiles = "builtin/"

// openFile opens a media file for a source plugin: one inside the binary, or one
// below the configuration's folder.
func (s *Server) openFile(path string) (session.File, error) {
	if name, ok := strings.CutPrefix(path, builtinFiles); ok {
		if name != "demo.asf" {
			return nil, fmt.Errorf("open %s: the binary holds builtin/demo.asf only: %w", path, os.ErrNotExist)
		}
		return memoryFile{bytes.NewReader(sample.Demo())}, nil
	}
	f, err := s.openBelow(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("open %s: no regular file is there: %w", path, os.ErrNotExist)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return diskFile{f, st.Size()}, nil
}

// openBelow opens a file that a grant names. A relative one must lie in the folder of
// the configuration, links followed; an absolute one is the operator's word.
func (s *Server) openBelow(path string) (*os.File, error) {
	if filepath.IsAbs(path) {
		return os.Open(path)
	}
	dir := s.config().Dir
	if dir == "" {
		dir = "."
	}
	f, err := os.OpenInRoot(dir, path)
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) { // it leads out of the folder
		return nil, fmt.Errorf("%w: %w", err, os.ErrPermission)
	}
	return f, err
}

type memoryFile struct{ *bytes.Reader }

// Close does nothing.
func (memoryFile) Close() error { return nil }

type diskFile struct {
	*os.File
	size int64
}

// Size is the file's size when it was opened, in bytes.
func (f diskFile) Size() int64 { return f.size }
