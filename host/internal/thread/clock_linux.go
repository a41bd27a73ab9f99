package thread

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Clock gives how long the calling thread has run since it was made. A difference means something only while the goroutine stays on its thread.
func Clock() time.Duration {
	var ts unix.Timespec
	// It cannot wait, and is known since Linux 2.6.12. By ClockGettime Go's scheduler would wake its monitor each time.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}
