package wasm

import (
	"time"

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
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // known since Linux 2.6.12
	return ts.Nano()
}
