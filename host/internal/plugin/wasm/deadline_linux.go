package wasm

import (
	"time"

	"golang.org/x/sys/unix"
)

// thread is the id of a system thread.
type thread int

// currentThread is the calling goroutine's thread. The goroutine must be locked to it.
func currentThread() thread { return thread(unix.Gettid()) }

// clock is how long the thread ran since it was made. ok is false when the system does not tell.
func (t thread) clock() (ran time.Duration, ok bool) {
	// clock_getcpuclockid(3) for a thread: the complement of its id, shifted, with CPUCLOCK_PERTHREAD_MASK|CPUCLOCK_SCHED (linux/posix-timers.h).
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^int(t)<<3|4|2), &ts)
	return time.Duration(ts.Nano()), err == nil
}
