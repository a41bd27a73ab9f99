package admin

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Measure reads the process's own limits.
func Measure() Limits {
	l := Limits{CPUs: runtime.GOMAXPROCS(0), MaxOpenFiles: maxOpenFiles()}
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		l.OpenFiles = max(len(names)-1, 0) // without the one just opened
	}
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 && sample[1].Value.Kind() == metrics.KindUint64 {
		l.MemoryBytes = sample[0].Value.Uint64() - sample[1].Value.Uint64()
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		l.MaxMemoryBytes = uint64(limit)
	}
	return l
}
