//go:build unix

package wasm

import (
	"io/fs"
	"os"
	"syscall"
)

func ownedByMe(stat fs.FileInfo) bool {
	s, ok := stat.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
