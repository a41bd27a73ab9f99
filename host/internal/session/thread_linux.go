package session

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// threadTime is how long the calling thread has run.
func threadTime() time.Duration {
	var ts unix.Timespec
	// It cannot wait, and is known since Linux 2.6.12. By ClockGettime Go's scheduler would wake its monitor each time.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}
