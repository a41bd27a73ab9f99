package wasm

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/thread"
)

// pass lets time pass in which the caller does not run.
func pass(d time.Duration) { <-time.After(d) }

// overtime asks for fuel and reports whether the call was ended.
func (t *tank) overtime() (over bool) {
	defer func() {
		if caught, ok := recover().(error); ok {
			over = errors.Is(caught, errOvertime)
		}
	}()
	t.refuel()
	return false
}

// TestCallThatDoesNotRunIsInnocent lets much more time pass than the limit while the guest does not run, at the beginning of a call and later.
func TestCallThatDoesNotRunIsInnocent(t *testing.T) {
	const limit = 20 * time.Millisecond
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var k tank
	defer k.end()
	k.fill(limit)
	for range 10 {
		if k.overtime() {
			t.Fatal("a call that did not run was ended")
		}
		pass(4 * limit)
	}
	began, clock := time.Now(), thread.Clock()
	for !k.overtime() {
		if time.Since(began) > time.Minute {
			t.Fatal("a call that runs was not ended")
		}
	}
	if ran := thread.Clock() - clock; ran < limit*8/10 || ran > 2*limit { // to leave a thread that is held twice takes its time
		t.Errorf("a call was ended when it had run %v of %v", ran, limit)
	}
}

// TestFillForgets begins a call behind one that used up its time.
func TestFillForgets(t *testing.T) {
	var k tank
	defer k.end()
	k.fill(time.Millisecond)
	for !k.overtime() {
		continue
	}
	k.fill(time.Minute)
	if k.overtime() {
		t.Error("a new call pays for the one before")
	}
}

// TestFirstTurnReadsNoThreadClock wants a call that ends within its first turn neither to be held on its thread nor to read that thread's clock.
func TestFirstTurnReadsNoThreadClock(t *testing.T) {
	now := time.Hour
	k := tank{now: func() time.Duration { return now }}
	defer k.end()
	k.fill(time.Minute)
	for range 10 {
		k.refuel()
		now += turn / 10
		if k.held || k.spell != 0 {
			t.Fatalf("held %v, with the clock at %d", k.held, k.spell)
		}
	}
	if k.refuel(); !k.held || k.spell == 0 || k.ran != 0 {
		t.Errorf("behind the first turn: held %v, with the clock at %d, ran %v", k.held, k.spell, k.ran)
	}
	if k.end(); k.held {
		t.Error("still held at the end")
	}
}

// TestBusyMachineBlamesNobody runs guests beside goroutines that compute: twice as many as there are processors. One that needs a fraction of its limit
// is no runaway however long that takes, and one that never ends is one.
func TestBusyMachineBlamesNobody(t *testing.T) {
	const limit = 40 * time.Millisecond
	stop := make(chan struct{})
	var computing sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		computing.Go(func() {
			for x := uint64(1); ; {
				select {
				case <-stop:
					return
				default:
				}
				for range 1000 {
					x = x*6364136223846793005 + 1
				}
			}
		})
	}
	defer computing.Wait()
	defer close(stop)
	few := slices.Concat(i32Const(3_000_000), []byte{opLocalSet, 0, opLoop, typeEmpty, opLocalGet, 0}, i32Const(1),
		[]byte{opI32Sub, opLocalTee, 0, opBrIf, 0, opEnd}, bodyZero)
	innocent := instanceOf(t, newPlugin(few), plugin.Limits{}).(*instance)
	for range 5 {
		began := time.Now()
		if _, f := innocent.Call(limit, emptyFrame); f != nil {
			t.Errorf("after %v, of which it ran %v: %+v", time.Since(began), innocent.guest.tank.ran, f)
			break
		}
		t.Logf("innocent: %v, of which it ran %v", time.Since(began), innocent.guest.tank.ran)
	}
	guilty := instanceOf(t, newPlugin(bodySpin), plugin.Limits{}).(*instance)
	began := time.Now()
	if _, f := guilty.Call(limit, emptyFrame); f == nil || f.Kind != plugin.Deadline {
		t.Errorf("%+v", f)
	}
	t.Logf("guilty: %v, of which it ran %v", time.Since(began), guilty.guest.tank.ran)
	if ran := guilty.guest.tank.ran; ran > limit+maxTurn+maxGap {
		t.Errorf("it ran %v of %v", ran, limit)
	}
}
