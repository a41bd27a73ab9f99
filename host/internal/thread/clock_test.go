package thread

import (
	"runtime"
	"testing"
	"time"
)

// TestClock: it goes on while the thread works, no faster than the wall's.
func TestClock(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wall, began := time.Now(), Clock()
	for Clock()-began < time.Millisecond {
		if time.Since(wall) > time.Minute {
			t.Fatal("it stands still")
		}
	}
	if ran, took := Clock()-began, time.Since(wall); ran > took+time.Millisecond {
		t.Errorf("ran %v in %v", ran, took)
	}
}
