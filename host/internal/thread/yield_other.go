//go:build !linux

package thread

import "runtime"

// Yield is runtime.Gosched.
func Yield() { runtime.Gosched() }
