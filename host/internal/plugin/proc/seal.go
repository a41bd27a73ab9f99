package proc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxExecutable is the largest executable, in bytes: its copy is held in memory; chosen.
const maxExecutable = 512 << 20

// executable is a private copy of a program, which nobody can change between the check of its hash and any of its starts.
type executable struct {
	file *os.File
	path string // where it was read
	hash string // SHA-256 in lower-case hex
}

// seal copies an executable into memory and seals the copy.
func seal(path string) (executable, error) {
	from, err := os.Open(path)
	if err != nil {
		return executable{}, err
	}
	defer from.Close()
	about, err := from.Stat()
	if err != nil {
		return executable{}, err
	}
	switch {
	case !about.Mode().IsRegular():
		return executable{}, fmt.Errorf("%s: it is no file; exec: names a plugin's executable", path)
	case about.Mode()&0o111 == 0:
		return executable{}, fmt.Errorf("%s: it is not executable; build it by weir plugin build --proc, or chmod +x it", path)
	case about.Size() > maxExecutable:
		return executable{}, fmt.Errorf("%s: it has %d bytes; an executable has at most %d", path, about.Size(), maxExecutable)
	}
	to, err := memory()
	if err != nil {
		return executable{}, fmt.Errorf("copy %s: %w", path, err)
	}
	sum := sha256.New()
	head := make([]byte, 2)
	n, err := io.ReadFull(from, head)
	if err == nil && string(head) == "#!" {
		err = errors.New("it is a script; exec: names a program that is compiled")
	}
	if err == nil {
		_, err = io.Copy(io.MultiWriter(to, sum), io.MultiReader(bytes.NewReader(head[:n]), io.LimitReader(from, maxExecutable)))
	}
	if err == nil {
		err = lock(to)
	}
	if err != nil {
		_ = to.Close() // memory only
		return executable{}, fmt.Errorf("copy %s: %w", path, err)
	}
	return executable{to, path, hex.EncodeToString(sum.Sum(nil))}, nil
}

func (e *executable) close() { _ = e.file.Close() } // memory only
