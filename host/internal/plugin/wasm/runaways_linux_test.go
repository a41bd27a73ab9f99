package wasm

import (
	"bytes"
	"maps"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/thread"
)

// gaps is what one thread's clock says of a guest. It stands in for the tank's own clock, which is looked at with each question.
type gaps struct {
	last    time.Duration
	between []time.Duration
}

// watch begins to look at an instance. The caller is held on its thread.
func watch(k *tank) *gaps {
	g := &gaps{last: thread.Clock()}
	k.now = func() time.Duration {
		g.note()
		return sinceEpoch()
	}
	return g
}

func (g *gaps) note() {
	now := thread.Clock()
	g.between = append(g.between, now-g.last)
	g.last = thread.Clock()
}

// nasties are guests that do what takes longest for what it costs, for ever.
func nasties(t *testing.T) map[string]*testModule {
	wide := withTypes(t, wideType(1000, 0, 0x7e), wideType(1000, 0, 0x7b))
	denormal := []byte{0x44, 1, 0, 0, 0, 0, 0, 0, 0}
	nearlyOne := []byte{0x44, 0, 0, 0, 0, 0, 0, 0xe8, 0x3f}
	splat := []byte{opPrefixFD, 0x14} // f64x2.splat
	segment := large(newPlugin(endless(i32Const(0), i32Const(0), i32Const(8<<20), opInit(0))))
	segment.extra = appendSection(nil, secData, slices.Concat([]byte{1, 1}, appendU32(nil, 8<<20), make([]byte, 8<<20)))
	segment.counted = 1
	leaf := testFunc{sig: sigCall, body: slices.Concat(arithmetic(40), []byte{opLocalGet, 0})}
	return map[string]*testModule{
		"values moved":         rotation(1000, 0x7e, wide),
		"vectors moved":        rotation(1000, 0x7b, wide+1),
		"references":           newPlugin(endless(bytes.Repeat([]byte{opRefFunc, 0, drop}, 1000))),
		"loads":                chase(100),
		"loads, straight code": chase(100_000),
		"denormal vectors": repeated(0x7b, slices.Concat(denormal, splat),
			slices.Concat([]byte{opLocalGet, 1}, nearlyOne, splat, []byte{opPrefixFD, 0xf2, 1})), // f64x2.mul
		"vector bits":        repeated(0x7b, slices.Concat(denormal, splat), []byte{opLocalGet, 1, opPrefixFD, 0x62}),                           // i8x16.popcnt
		"remainders":         repeated(0x7e, i64Const(-1), slices.Concat(i64Const(-3), []byte{opLocalGet, 1}, i64Const(1), []byte{0x84, 0x82})), // i64.or, i64.rem_u
		"calls of leaves":    newPlugin(endless(calls(1000, 3)), leaf),
		"indirect calls":     indirect(),
		"memory.init":        segment,
		"table.init":         initializing(),
		"lines":              writingLines(),
		"poll_oneoff":        importing(wasiModule, "poll_oneoff", sigFour, i32Const(0), i32Const(8192), i32Const(maxVectors), i32Const(64), callOf(0), []byte{drop}),
		"logged lines":       importing(abi.HostModule, "log", sigLog, i32Const(0), i32Const(0), i32Const(journalLine), callOf(0)),
		"random_get, mostly": importing(wasiModule, "random_get", sigPair, i32Const(0), i32Const(hostBytes-1), callOf(0), []byte{drop}),
	}
}

// indirect calls one function through a table for ever.
func indirect() *testModule {
	call := slices.Concat([]byte{opLocalGet, 0}, i32Const(0), []byte{opCallIndirect, sigCall, 0, opLocalSet, 0})
	m := newPlugin(slices.Concat(i32Const(0), []byte{opRefFunc, 3, 0x26, 0}, endless(bytes.Repeat(call, 1000))), // table.set
		testFunc{sig: sigCall, body: slices.Concat(arithmetic(40), []byte{opLocalGet, 0}), export: "leaf"})
	return withTable(m)
}

// initializing copies a segment of 100,000 elements into a table for ever.
func initializing() *testModule {
	const n = 100_000
	m := withTable(newPlugin(endless(i32Const(0), i32Const(0), i32Const(n), []byte{opPrefixFC, fcTableInit, 0, 0})))
	m.elements = slices.Concat([]byte{1, 1, 0}, appendU32(nil, n), make([]byte, n)) // one, passive, of function 0
	return m
}

// writingLines writes 32,768 lines of one letter at once for ever.
func writingLines() *testModule {
	const from, size = 1024, 64 << 10
	store := []byte{0x36, 2, 0}
	lines := slices.Concat(i32Const(0), []byte{opLocalSet, 0, opLoop, typeEmpty, opLocalGet, 0}, i32Const(0x0a610a61), []byte{0x36, 2, 0x80, 0x08}, // at 1024 on
		[]byte{opLocalGet, 0}, i32Const(4), []byte{opI32Add, opLocalTee, 0}, i32Const(size), []byte{opI32LtS, opBrIf, 0, opEnd})
	vector := slices.Concat(i32Const(0), i32Const(from), store, i32Const(4), i32Const(size), store)
	write := slices.Concat(i32Const(1), i32Const(0), i32Const(1), i32Const(16), callOf(0), []byte{drop})
	m := large(newPlugin(slices.Concat(lines, vector, endless(write))))
	m.imports = []testImport{{wasiModule, "fd_write", sigFour}}
	return m
}

// TestRunawaysHaveTheirTimeAndNoMore holds a thread's own clock against the guests on it, so that other work on the machine does not matter: when they
// have had their limit they end, and before that they ask all the time. Growing is bounded by itself (TestGrowingAsks).
func TestRunawaysHaveTheirTimeAndNoMore(t *testing.T) {
	if raced {
		t.Skip("the race detector is in")
	}
	const limit = 30 * time.Millisecond
	maxGap := maxGap
	if os.Getenv("WEIR_SOAK") != "1" {
		maxGap *= 2 // with others who want the caches
	}
	maxLate := 2*maxGap + turn // the first slice, the last, and a turn
	all := nasties(t)
	maps.Copy(all, runaways())
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			g := mustOpen(t, Options{Module: all[name].bytes(), Limits: plugin.Limits{Event: limit, Open: time.Minute}})
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			longest, late := time.Hour, time.Hour
			for range 5 { // other work takes the caches away
				i := mustNew(t, g).(*instance)
				seen, clock := watch(&i.guest.tank), thread.Clock()
				sin(t, i, emptyFrame, plugin.Deadline)
				took := thread.Clock() - clock
				i.Close()
				longest, late = min(longest, slices.Max(seen.between)), min(late, took-limit)
				if took < limit*8/10 {
					t.Fatalf("it was ended after %v", took)
				}
				if longest <= maxGap && late <= maxLate {
					break
				}
			}
			t.Logf("%v late; longest time between two questions %v", late, longest)
			if late > maxLate || longest > maxGap && name != "memory.grow" {
				t.Errorf("%v late of at most %v; %v between two questions of at most %v", late, maxLate, longest, maxGap)
			}
		})
	}
}

// TestGrowingAsks moves a large memory, which is asked for in between. Before that Go finds the place for it, and interrupts itself.
func TestGrowingAsks(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const size = 64 << 20
	var k tank
	k.fill(time.Minute)
	defer k.end()
	m := linear{limit: 1 << 30, tank: &k}
	m.Reallocate(size)
	for at := 0; at < size; at += 4096 {
		m.bytes[at] = byte(at >> 12)
	}
	best := time.Hour
	for n := range 3 {
		m.bytes = slices.Clip(m.bytes)
		seen := watch(&k)
		m.Reallocate(uint64(size + (n+1)*MemoryPage))
		if len(seen.between) < size/pieceBytes {
			t.Fatalf("it asked %d times", len(seen.between))
		}
		best = min(best, slices.Max(seen.between[1:]))
	}
	t.Logf("longest time between two questions: %v", best)
	if best > maxGap && !raced {
		t.Errorf("%v between two questions of at most %v", best, maxGap)
	}
	for at := 0; at < size; at += 4096 {
		if m.bytes[at] != byte(at>>12) {
			t.Fatalf("another byte at %d", at)
		}
	}
}
