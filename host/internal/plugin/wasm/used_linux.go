package wasm

import (
	"io/fs"
	"syscall"
	"time"
)

// lastUsed is when a file was read or written. File systems note reads once a day at least, unless they are mounted with noatime.
func lastUsed(stat fs.FileInfo) time.Time {
	used := stat.ModTime()
	if s, ok := stat.Sys().(*syscall.Stat_t); ok {
		if read := time.Unix(s.Atim.Unix()); read.After(used) {
			return read
		}
	}
	return used
}
