package thread

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lateness has goroutines compute on all processors, in turns of 100 µs, and tells how late another is that waits for the network, in the median.
func lateness(t testing.TB, yield func()) time.Duration {
	t.Helper()
	var stop atomic.Bool
	var all sync.WaitGroup
	defer all.Wait()
	defer stop.Store(true)
	for range runtime.GOMAXPROCS(0) + 1 {
		all.Go(func() {
			Begin()
			defer End()
			for !stop.Load() {
				for end := time.Now().Add(100 * time.Microsecond); time.Now().Before(end); {
					continue
				}
				yield()
			}
		})
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	alarm := os.NewFile(uintptr(fd), "timerfd")
	defer alarm.Close()
	var late []time.Duration
	for range 51 {
		const span = 3 * time.Millisecond
		due := time.Now().Add(span)
		if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(span))}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := alarm.Read(make([]byte, 8)); err != nil {
			t.Fatal(err)
		}
		late = append(late, time.Since(due))
	}
	slices.Sort(late)
	return late[len(late)/2]
}

// TestYield: who waits for the network waits for those who compute a fraction of the time that it would by runtime.Gosched alone.
func TestYield(t *testing.T) {
	var gosched, yield time.Duration
	for range 3 { // whatever else the machine does
		gosched, yield = lateness(t, runtime.Gosched), lateness(t, Yield)
		t.Logf("late by %v with runtime.Gosched, %v with Yield", gosched, yield)
		if yield < gosched/2 {
			return
		}
	}
	t.Errorf("late by %v with runtime.Gosched, %v with Yield", gosched, yield)
}

// TestYieldAlone: who computes alone has nobody wait, and no look.
func TestYieldAlone(t *testing.T) {
	l, err := theLooker()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOMAXPROCS(0) == 1 {
		t.Skip("it is never alone on one processor")
	}
	Begin()
	defer End()
	before := l.looks
	for end := time.Now().Add(5 * lookEvery); time.Now().Before(end); {
		Yield()
	}
	if l.looks != before {
		t.Errorf("%d looks", l.looks-before)
	}
}

func BenchmarkYield(b *testing.B) {
	b.ReportAllocs()
	for range runtime.GOMAXPROCS(0) {
		Begin()
		defer End()
	}
	for b.Loop() {
		l, err := theLooker()
		if err != nil {
			b.Fatal(err)
		}
		l.last.Store(-int64(time.Hour)) // each is a look
		Yield()
	}
}
