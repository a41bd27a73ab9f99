package wasm

import (
	"runtime"
	"testing"
	"time"
)

// TestThreadClock runs one thread while another waits: only the first one's clock goes on.
func TestThreadClock(t *testing.T) {
	release, waiting, released := make(chan struct{}), make(chan thread), make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		waiting <- currentThread()
		<-release
		close(released)
	}()
	idle := <-waiting
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	busy := currentThread()
	idleBefore, ok1 := idle.clock()
	busyBefore, ok2 := busy.clock()
	if !ok1 || !ok2 {
		t.Fatal("no clock of a thread")
	}
	const work = 20 * time.Millisecond
	for {
		busyNow, _ := busy.clock()
		if busyNow-busyBefore >= work {
			break
		}
	}
	idleNow, _ := idle.clock()
	if idleNow-idleBefore >= work/2 {
		t.Errorf("the waiting thread ran %v", idleNow-idleBefore)
	}
	close(release)
	<-released
	if _, ok := thread(1 << 22).clock(); ok { // above the largest thread id, PID_MAX_LIMIT of linux/threads.h
		t.Error("a thread that does not exist has a clock")
	}
}

// TestStarvedCallIsInnocent lets much more time pass than the limit, while the calling thread waits.
func TestStarvedCallIsInnocent(t *testing.T) {
	var w watch
	w.init()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const limit = 20 * time.Millisecond
	w.begin(limit)
	timer := time.NewTimer(5 * limit)
	<-timer.C
	if w.end() {
		t.Error("a call that did not run was ended")
	}
	w.begin(limit)
	for began := time.Now(); time.Since(began) < time.Minute; {
		select {
		case <-w.done:
			if !w.end() {
				t.Error("done, and not over")
			}
			return
		default:
		}
	}
	t.Error("a call that runs was not ended")
}
