//go:build !linux

package thread

import "time"

var epoch = time.Now()

// Clock is the wall clock where threads have none: waiting counts as running.
func Clock() time.Duration { return time.Since(epoch) }
