package load_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// level is how much of the process is in use, test and server together.
type level struct {
	goroutines, descriptors int
	mappings                int   // of all kinds (proc(5), maps)
	code                    int   // those that are executable and of no file: plugins' compiled code, which the heap does not show
	heap                    int64 // bytes that are reachable
}

// compiled finds lines of proc(5) maps: protection r-xp, inode 0, no name.
var compiled = regexp.MustCompile(`(?m)^\S+ r-xp \S+ \S+ 0 *$`)

func measure(t testing.TB) level {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC() // the second frees what finalizers of the first held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return level{goroutines: runtime.NumGoroutine(), descriptors: len(open), mappings: bytes.Count(maps, []byte("\n")),
		code: len(compiled.FindAll(maps, -1)), heap: int64(m.HeapAlloc)}
}

// noise is what comes and goes with time alone: a closing connection, a timer, a chunk of a log. The memory of plugins written in Go grows to what their
// own collector likes, a few MiB for each, and stays there.
var noise = level{goroutines: 8, descriptors: 8, mappings: 64, code: 4, heap: scale[int64](4<<20, 32<<20)}

// spareHeap is what the plugins' spare instances take, which come a second after a plugin's first event: some 6 MiB for each that is written in Go.
func spareHeap(s *hosttest.Server) (bytes int64) {
	for _, p := range s.Status().Plugins {
		bytes += int64(p.Spares) * 6 << 20
	}
	return bytes
}

// settled waits until the process is back at a level.
func settled(t *testing.T, base level) {
	t.Helper()
	now := measure(t)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !now.within(base); now = measure(t) {
		if time.Now().After(end) {
			t.Errorf("after %v not back: %v", patience, now.since(base))
			return
		}
		<-tick.C
	}
	t.Log(now.since(base))
}

func (l level) within(base level) bool {
	return l.goroutines <= base.goroutines+noise.goroutines && l.descriptors <= base.descriptors+noise.descriptors &&
		l.mappings <= base.mappings+noise.mappings && l.code <= base.code+noise.code && l.heap <= base.heap+noise.heap
}

func (l level) since(base level) string {
	return fmt.Sprintf("goroutines %d → %d, descriptors %d → %d, mappings %d → %d, code %d → %d, heap %d → %d KiB", base.goroutines, l.goroutines,
		base.descriptors, l.descriptors, base.mappings, l.mappings, base.code, l.code, base.heap>>10, l.heap>>10)
}
