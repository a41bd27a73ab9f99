package wasm

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// endless repeats code for ever. The code leaves nothing on the stack.
func endless(code ...[]byte) []byte {
	return join([]byte{opLoop, typeEmpty}, join(code...), []byte{opBr, 0, opEnd, opUnreachable})
}

// arithmetic is n instructions of straight code on the parameter, three of them each of its steps.
func arithmetic(n int) []byte {
	return bytes.Repeat(join([]byte{opLocalGet, 0}, i32Const(3), []byte{0x6c, opLocalSet, 0}), n/4) // i32.mul
}

// calls is n calls of a function with that signature.
func calls(n int, fn byte) []byte {
	return bytes.Repeat(join([]byte{opLocalGet, 0}, callOf(fn), []byte{opLocalSet, 0}), n)
}

func callBomb() *testModule {
	m := newPlugin(slices.Concat(calls(10, 3), bodyZero))
	for level := range byte(10) { // each of the functions 3 to 12 calls the next ten times
		m.funcs = append(m.funcs, testFunc{sig: sigCall, body: slices.Concat(calls(10, 4+level), []byte{opLocalGet, 0})})
	}
	m.funcs = append(m.funcs, testFunc{sig: sigCall, body: slices.Concat(arithmetic(100), []byte{opLocalGet, 0})})
	return m
}

func withTable(m *testModule) *testModule {
	m.table = []byte{0x70, 0, 0x80, 0x80, 0x40} // 2^20 elements of funcref
	return m
}

func large(m *testModule) *testModule {
	m.memory = []byte{0, 0x80, 0x06} // 768 pages, 48 MiB
	return m
}

func importing(module, name string, sig byte, code ...[]byte) *testModule {
	m := large(newPlugin(endless(code...)))
	m.imports = []testImport{{module, name, sig}}
	return m
}

const drop = 0x1a

// runaways are guests that do not end on their own.
func runaways() map[string]*testModule {
	const most = 48 << 20
	three := func(a, b, c int32, op ...byte) []byte {
		return slices.Concat(i32Const(a), i32Const(b), i32Const(c), op)
	}
	brTable := slices.Concat([]byte{opBlock, typeEmpty, opBlock, typeEmpty, opLocalGet, 0, 0x0e, 2, 0, 1, 2, opEnd, opEnd})
	mutual := newPlugin(slices.Concat(i32Const(60), callOf(3)), fib(4), fib(3))
	elements := withTable(newPlugin(endless(i32Const(0), []byte{opRefNull, typeFunc}, i32Const(1<<20), []byte{opPrefixFC, fcTableFill, 0})))
	store := []byte{0x36, 2, 0} // i32.store
	// One vector at 0, of nearly all memory from 64 on: fd_write(1, 0, 1, 16).
	write := importing(wasiModule, "fd_write", sigFour, i32Const(0), i32Const(64), store, i32Const(4), i32Const(most-64), store,
		i32Const(1), three(0, 1, 16), callOf(0), []byte{drop})
	return map[string]*testModule{
		"loop":                   newPlugin(bodySpin),
		"recursion without loop": mutual,
		"calls without loop":     callBomb(),
		"straight code":          newPlugin(endless(arithmetic(400_000))),
		"br_table":               newPlugin(endless(brTable)),
		"memory.fill":            large(newPlugin(endless(three(0, 7, most, opPrefixFC, fcMemoryFill, 0)))),
		"memory.copy up":         large(newPlugin(endless(three(0, 8, most-8, opPrefixFC, fcMemoryCopy, 0, 0)))),
		"memory.copy down":       large(newPlugin(endless(three(8, 0, most-8, opPrefixFC, fcMemoryCopy, 0, 0)))),
		"table.fill":             elements,
		"table.copy":             withTable(newPlugin(endless(three(0, 1, 1<<20-1, opPrefixFC, fcTableCopy, 0, 0)))),
		"table.grow":             withTable(newPlugin(endless([]byte{opRefNull, typeFunc}, i32Const(1), []byte{opPrefixFC, fcTableGrow, 0, drop}))),
		"memory.grow":            newPlugin(endless(i32Const(1), []byte{opMemoryGrow, 0, drop})),
		"memory.grow by nothing": newPlugin(endless(i32Const(0), []byte{opMemoryGrow, 0, drop})),
		"memory.grow by much":    newPlugin(endless(i32Const(-1), []byte{opMemoryGrow, 0, drop})),
		"sched_yield":            importing(wasiModule, "sched_yield", sigAnswer, callOf(0), []byte{drop}),
		"random_get":             importing(wasiModule, "random_get", sigPair, i32Const(0), i32Const(most), callOf(0), []byte{drop}),
		"fd_write":               write,
		"log":                    importing("weir_1", "log", sigLog, three(0, 0, most), callOf(0)),
	}
}

// TestRunawaysStop wants each of them ended by its deadline. How much later is printed, since the machine has other work; how much longer than its limit
// a guest ran is bounded by TestRunawaysHaveTheirTimeAndNoMore.
func TestRunawaysStop(t *testing.T) {
	const limit = 30 * time.Millisecond
	for name, m := range runaways() {
		t.Run(name, func(t *testing.T) {
			i := instanceOf(t, m, plugin.Limits{Event: limit, Open: time.Minute})
			frame := frameOf(testHead, "")
			began := time.Now()
			f := sin(t, i, frame, plugin.Deadline)
			t.Logf("%v late", time.Since(began)-limit)
			if f.Stack == "" || !bytes.Equal(f.Frame, frame) || &f.Frame[0] == &frame[0] {
				t.Errorf("stack %q, frame of %d bytes", f.Stack, len(f.Frame))
			}
		})
	}
}

// TestDeepRecursionStops lets guests recurse for ever: with small frames, with large ones, and with many results.
func TestDeepRecursionStops(t *testing.T) {
	wide := testFunc{sig: sigNone, locals: []byte{1, 0xb0, 0xea, 0x01, 0x7e}} // 30,000 times i64
	for n := range byte(100) {
		wide.body = append(wide.body, 0x42, n, opLocalSet, 0x80|n, 1) // sets some of them
	}
	wide.body = append(wide.body, callOf(3)...)
	for n := range byte(100) {
		wide.body = append(wide.body, i32Const(0)...)
		wide.body = append(wide.body, opLocalGet, 0x80|n, 1, 0x37, 3, 0) // and needs them afterwards
	}
	for name, m := range map[string]*testModule{
		"small":  newPlugin(slices.Concat(callOf(3), bodyZero), testFunc{sig: sigNone, body: callOf(3)}),
		"mutual": newPlugin(slices.Concat(callOf(3), bodyZero), testFunc{sig: sigNone, body: callOf(4)}, testFunc{sig: sigNone, body: callOf(3)}),
		"wide":   newPlugin(slices.Concat(callOf(3), bodyZero), wide),
	} {
		t.Run(name, func(t *testing.T) {
			i := instanceOf(t, m, plugin.Limits{Event: time.Minute}).(*instance)
			if !i.guest.tank.stack.IsValid() {
				t.Fatal("wazero's stack is not found")
			}
			began := time.Now()
			f := sin(t, i, emptyFrame, plugin.Trap)
			size := i.guest.tank.stack.Len()
			t.Logf("%d KiB of stack after %v", size>>10, time.Since(began))
			if !strings.Contains(f.Cause.Error(), "stack overflow") || size > 8*maxStack {
				t.Errorf("stack of %d bytes, %+v", size, f)
			}
		})
	}
}

// TestDeepStackIsLetGo recurses and comes back: what the stack has grown to is not the instance's for life.
func TestDeepStackIsLetGo(t *testing.T) {
	// (n) -> n == 0 ? 0 : self(n-1)
	down := testFunc{sig: sigCall, body: slices.Concat([]byte{opLocalGet, 0, opIf, 0x7f, opLocalGet, 0}, i32Const(1), []byte{opI32Sub}, callOf(3),
		[]byte{opElse}, i32Const(0), []byte{opEnd})}
	i := instanceOf(t, newPlugin(slices.Concat(i32Const(20_000), callOf(3)), down), plugin.Limits{Event: time.Minute}).(*instance)
	stack := i.guest.tank.stack
	for range 3 {
		if _, f := i.Call(0, emptyFrame); f != nil {
			t.Fatal(f)
		}
		if kept := i.guest.tank.stack.Len(); stack.Len() <= keptStack || kept > keptStack {
			t.Errorf("a stack of %d bytes, of which %d are kept", stack.Len(), kept)
		}
	}
}
