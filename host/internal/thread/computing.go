package thread

import "sync/atomic"

// computing counts goroutines between Begin and End.
var computing atomic.Int64

// Begin says that the goroutine goes on to compute, and gives its turn to others by Yield from time to time. End ends that.
func Begin() { computing.Add(1) }

// End ends what Begin began.
func End() { computing.Add(-1) }
