package wasm

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestReferencesAreNotKept takes four million references to a function: wazero would keep some 40 bytes for each.
func TestReferencesAreNotKept(t *testing.T) {
	body := slices.Concat(i32Const(20), []byte{opLocalSet, 0, opLoop, typeEmpty}, bytes.Repeat([]byte{opRefFunc, 0, drop}, 1000),
		[]byte{opLocalGet, 0}, i32Const(1), []byte{opI32Sub, opLocalTee, 0, opBrIf, 0, opEnd}, bodyZero)
	i := instanceOf(t, newPlugin(body), plugin.Limits{})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range 200 {
		if _, f := i.Call(time.Minute, emptyFrame); f != nil {
			t.Fatal(f)
		}
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d MiB more after 200 calls", (after-before)>>20)
	}
	runtime.KeepAlive(i)
}

// TestUndeclaredReference wants what the validator would have refused, had the meter left ref.func in place.
func TestUndeclaredReference(t *testing.T) {
	m := newPlugin(slices.Concat([]byte{opRefFunc, 3, drop}, bodyZero), testFunc{sig: sigNone})
	if _, err := meter(m.bytes()); err == nil || !strings.Contains(err.Error(), "function 3 is referred to") {
		t.Fatalf("%v", err)
	}
	m.funcs[3].export = "three"
	if _, err := meter(m.bytes()); err != nil {
		t.Fatal(err)
	}
}

// TestStartFunctionHasAStackBound lets the start function recurse for ever.
func TestStartFunctionHasAStackBound(t *testing.T) {
	m := newPlugin(bodyZero, testFunc{sig: sigNone, body: callOf(3)})
	m.start = 3
	_, f := mustOpen(t, Options{Module: m.bytes(), Limits: plugin.Limits{Open: time.Minute}}).New()
	if f == nil || f.Kind != plugin.Start || f.During != "start function" || !errors.Is(f.Cause, errStack) {
		t.Fatalf("%+v", f)
	}
	m.funcs[3].export = startName
	if _, err := meter(m.bytes()); !errors.Is(err, errLimit) {
		t.Errorf("an export of the host's name: %v", err)
	}
}

// TestNamesAreShortAndPlain gives a function a name of a megabyte that would clear the operator's screen.
func TestNamesAreShortAndPlain(t *testing.T) {
	m := newPlugin(callOf(3), testFunc{sig: sigAnswer, body: bodyTrap})
	names := append(appendU32([]byte{1}, 3), name("two\x1b[2J\n\u009b"+strings.Repeat("é", 1<<19))...)
	m.extra = appendSection(nil, secCustom, join(name("name"), appendSection(nil, namesFunctions, names)))
	f := sin(t, instanceOf(t, m, limitsForTests), emptyFrame, plugin.Trap)
	if !strings.Contains(f.Stack, ".two?[2J??éé") || strings.ContainsAny(f.Stack, "\x1b\u009b") || len(f.Stack) > 512 {
		t.Errorf("stack of %d bytes: %.200q", len(f.Stack), f.Stack)
	}
}

// TestInitInPieces copies from a segment of 3 MiB, also past its end, past the end of memory, and after it was dropped.
func TestInitInPieces(t *testing.T) {
	three := []byte{opLocalGet, 0, opLocalGet, 1, opLocalGet, 2}
	m := newPlugin(bodyZero, testFunc{sig: sigLog, export: "init", body: join(three, opInit(1))}, testFunc{sig: sigNone, export: "drop", body: []byte{opPrefixFC, 9, 1}})
	m.memory, m.counted = []byte{0, 100}, 2
	const size = 3 << 20
	content := bytes.Repeat([]byte("0123456789abcdefg"), size/17+1)[:size]
	m.extra = appendSection(nil, secData, slices.Concat([]byte{2, 1, 0, 1}, appendU32(nil, size), content))
	w := twinsOf(t, m.bytes())
	const memory = 100 << 16
	for round := range 2 {
		for _, a := range [][3]uint64{{0, 0, size}, {5, 7, size - 7}, {5, 8, size - 7}, {memory - size, 0, size}, {memory - size + 1, 0, size},
			{9, 1 << 20, 1 << 20}, {9, 1<<20 - 1, 1<<20 + 1}, {0, 0, 0}, {0, size, 0}, {0, size + 1, 0}, {0, 1<<32 - 1, 1<<32 - 1}} {
			w.callAgain(t, "init", a[:]...)
		}
		if round == 0 {
			w.callAgain(t, "drop")
		}
	}
}

// callAgain calls a function many times, so that each way through the fuel is met.
func (w *twins) callAgain(t *testing.T, name string, args ...uint64) {
	t.Helper()
	for range 4 {
		w.call(t, time.Minute, name, args...)
	}
}

// TestSkippedChargesArePaid jumps past the charge that stands before the code that then runs. The header of a loop with so much code pays for
// maxStraight of it; the work behind has to be paid for on top.
func TestSkippedChargesArePaid(t *testing.T) {
	const turns, loads = 10_000, 400
	load := []byte{opLocalGet, 0, 0x28, 2, 0, drop}
	filler := bytes.Repeat(load, maxStraight/(unitAccess+2)+10)
	work := bytes.Repeat(load, loads)
	for name, c := range map[string]struct {
		skip    []byte
		headers int
	}{
		"block":      {slices.Concat([]byte{opBlock, typeEmpty, opLocalGet, 0, opBrIf, 0}, filler, []byte{opEnd}, work), 1},
		"two blocks": {slices.Concat([]byte{opBlock, typeEmpty, opBlock, typeEmpty, opLocalGet, 0, opBrIf, 1}, filler, []byte{opEnd, opEnd}, work), 1},
		"if":         {slices.Concat([]byte{opLocalGet, 0, 0x45, opIf, typeEmpty}, filler, []byte{opEnd}, work), 1}, // i32.eqz
		"else":       {slices.Concat([]byte{opLocalGet, 0, 0x45, opIf, typeEmpty}, filler, []byte{opElse}, work, []byte{opEnd}), 1},
		"else behind a block": {slices.Concat([]byte{opLocalGet, 0, 0x45, opIf, typeEmpty, opBlock, typeEmpty}, filler, []byte{opEnd, opElse}, work,
			[]byte{opEnd}), 1},
		"jump": {slices.Concat([]byte{opBlock, typeEmpty, opBlock, typeEmpty, opLocalGet, 0, opBrIf, 0}, filler, []byte{opBr, 1, opEnd},
			work, []byte{opEnd}), 1},
		"inner loop": {slices.Concat([]byte{opBlock, typeEmpty, opLoop, typeEmpty, opLocalGet, 0, opBrIf, 1}, filler, []byte{opEnd},
			filler, []byte{opEnd}, work), 2},
	} {
		t.Run(name, func(t *testing.T) {
			body := slices.Concat(i32Const(turns), []byte{opLocalSet, 0, opLoop, typeEmpty}, c.skip,
				[]byte{opLocalGet, 0}, i32Const(1), []byte{opI32Sub, opLocalTee, 0, opBrIf, 0, opEnd}, bodyZero)
			_, questions := longestGap(t, newPlugin(body), time.Minute)
			least := turns * (c.headers*maxStraight + loads*(unitAccess+2)) / slice * 9 / 10 // what is owed when fuel comes is not asked for
			if t.Logf("%d questions; at least %d", questions, least); questions < least {
				t.Error("there is code that nobody paid for")
			}
		})
	}
}

// TestModuleSize refuses what is too large before it is parsed.
func TestModuleSize(t *testing.T) {
	if _, err := Open(t.Context(), Options{Module: make([]byte, maxModule+1)}); err == nil || !strings.Contains(err.Error(), "more than 64 MiB") {
		t.Errorf("%v", err)
	}
}
