package wasm

import (
	"fmt"
	"io"
	"os"
)

// maxModule is the largest module that is taken, in bytes; chosen. The largest plugin at hand, of Go, has some 5 MB.
const maxModule = 64 << 20

// ReadModule reads a module's file, unless it is larger than any module may be.
func ReadModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxModule+1))
	if err == nil {
		err = judgeSize(int64(len(b)))
	}
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", path, err)
	}
	return b, nil
}

func judgeSize(bytes int64) error {
	if bytes > maxModule {
		return fmt.Errorf("it has more than %d MiB, which is the most that a module may have; leave out what it does not need, such as embedded files and debugging sections", maxModule>>20)
	}
	return nil
}
