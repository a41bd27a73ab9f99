//go:build !linux

package session

import "time"

var epoch = time.Now()

// threadTime stands for the thread's clock where there is none: a call counts whole.
func threadTime() time.Duration { return time.Since(epoch) }
