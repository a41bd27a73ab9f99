package wasm

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// threadSpell is what the thread's clock said when a span of time began, in ns. It means nothing on another thread.
type threadSpell int64

func beginSpell() threadSpell { return threadSpell(threadClock()) }

// ran is how long the thread ran of a span on the wall.
func (s threadSpell) ran(wall time.Duration) time.Duration {
	return min(wall, time.Duration(threadClock()-int64(s)))
}

// threadClock is how long the calling thread ran since it was made.
func threadClock() int64 {
	var ts unix.Timespec
	// It cannot wait, and is known since Linux 2.6.12. By ClockGettime the scheduler would wake its monitor each time.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}
