package session

import (
	"time"

	"golang.org/x/sys/unix"
)

// booted gives the moment from which the clock of mono_nano counts: the same in every
// process, so that a source that moves meets no other clock (spec.md: for differences
// only).
func booted(now time.Time) time.Time {
	var since unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &since) != nil {
		return now
	}
	return now.Add(-time.Duration(since.Nano()))
}
