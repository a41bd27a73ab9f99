package wasm

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/thread"
)

// maxGap is what a guest may run on its thread between two questions, whatever it does: nobody else gets that thread meanwhile. The thread's own clock
// tells, so that the processor's other work does not count; but that work shares the memory, and makes a load that no cache has take twice as long. On
// a quiet machine the longest is 1.3 ms.
const maxGap = 4 * time.Millisecond

// longestGap runs a plugin's weir_call for some time of its thread's clock and gives the longest span of that clock between two questions.
func longestGap(t *testing.T, m *testModule, span time.Duration) (longest time.Duration, questions int) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	module, err := meter(m.bytes())
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2))
	defer r.Close(t.Context())
	if err = provide(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var began, last time.Duration
	note := func() {
		longest = max(longest, thread.Clock()-last)
		questions++
	}
	refuel := api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		note()
		if last = thread.Clock(); last-began > span {
			panic(errOvertime)
		}
		stack[0] = slice
	})
	if _, err = r.NewHostModuleBuilder(meterModule).NewFunctionBuilder().
		WithGoModuleFunction(refuel, nil, []api.ValueType{api.ValueTypeI32}).Export(refuelName).Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &guest{}
	g.tank.fill(time.Minute)
	instance, err := r.InstantiateWithConfig(g, module, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	began = thread.Clock()
	last = began
	_, err = instance.ExportedFunction(abi.CallExport).Call(g, 1)
	note()
	if err != nil {
		if cause := causeOf(err); cause != errOvertime.Error() && cause != "unreachable" {
			t.Fatal(err)
		}
	}
	return longest, questions
}

// rotation moves n values of a type with each turn of a loop.
func rotation(n int, of, typeIndex byte) *testModule {
	one := i64Const(1)
	if of == 0x7b {
		one = append([]byte{opPrefixFD, 0x0c}, make([]byte, 16)...)
	}
	body := bytes.Repeat(one, n)
	body = append(append(body, opLoop, typeIndex), one...)
	return newPlugin(append(body, opBr, 0, opEnd, opUnreachable))
}

// chase makes a list of addresses, all over 32 MiB in no order, and follows it for ever with so many loads in one turn of a loop.
func chase(loads int) *testModule {
	const lines = 1 << 19                                                                                                                           // of the cache
	build := slices.Concat([]byte{opLoop, typeEmpty, opLocalGet, 0}, i32Const(6), []byte{opI32Shl, opLocalGet, 0}, i32Const(1664525), []byte{0x6c}, // i32.mul
		i32Const(1013904223), []byte{opI32Add}, i32Const(lines-1), []byte{opI32And}, i32Const(6), []byte{opI32Shl},
		[]byte{0x36, 2, 0, opLocalGet, 0}, i32Const(1), []byte{opI32Add, opLocalTee, 0}, i32Const(lines), []byte{opI32LtS, opBrIf, 0, opEnd}) // i32.store
	follow := endless([]byte{opLocalGet, 0}, bytes.Repeat([]byte{0x28, 2, 0}, loads), []byte{opLocalSet, 0})
	return large(newPlugin(slices.Concat(i32Const(0), []byte{opLocalSet, 0}, build, i32Const(0), []byte{opLocalSet, 0}, follow)))
}

// repeated repeats a step on a local of that type for ever, 5,000 times in one turn.
func repeated(of byte, first, step []byte) *testModule {
	m := newPlugin(slices.Concat(first, []byte{opLocalSet, 1}, endless(bytes.Repeat(slices.Concat(step, []byte{opLocalSet, 1}), 5000))))
	m.funcs[2].locals = []byte{1, 1, of}
	return m
}

// TestGaps wants a question every maxGap, of guests that do what takes longest for what it costs.
func TestGaps(t *testing.T) {
	if raced {
		t.Skip("the race detector is in")
	}
	wide := withTypes(t, wideType(1000, 0, 0x7e), wideType(1000, 0, 0x7b))
	denormal := []byte{0x44, 1, 0, 0, 0, 0, 0, 0, 0}
	nearlyOne := []byte{0x44, 0, 0, 0, 0, 0, 0, 0xe8, 0x3f}
	touch := slices.Concat([]byte{opLocalGet, 0}, i32Const(4096), []byte{opI32Add, opLocalTee, 0}, []byte{opLocalGet, 0, 0x36, 2, 0})
	splat := []byte{opPrefixFD, 0x14} // f64x2.splat
	segment := large(newPlugin(endless(i32Const(0), i32Const(0), i32Const(40<<20), opInit(0))))
	segment.extra = appendSection(nil, secData, slices.Concat([]byte{1, 1}, appendU32(nil, 40<<20), make([]byte, 40<<20)))
	segment.counted = 1
	for name, m := range map[string]*testModule{
		"values moved":         rotation(1000, 0x7e, wide),
		"vectors moved":        rotation(1000, 0x7b, wide+1),
		"references":           newPlugin(endless(bytes.Repeat([]byte{opRefFunc, 0, drop}, 1000))),
		"loads":                chase(100),
		"loads, straight code": chase(100_000),
		"new pages":            large(newPlugin(slices.Concat(i32Const(0), []byte{opLocalSet, 0}, bytes.Repeat(touch, 10_000), []byte{opUnreachable}))),
		"denormal numbers":     repeated(0x7c, denormal, slices.Concat([]byte{opLocalGet, 1}, nearlyOne, []byte{0xa2})),
		"denormal vectors": repeated(0x7b, slices.Concat(denormal, splat),
			slices.Concat([]byte{opLocalGet, 1}, nearlyOne, splat, []byte{opPrefixFD, 0xf2, 1})), // f64x2.mul
		"square roots":         repeated(0x7c, nearlyOne, []byte{opLocalGet, 1, 0x9f}),
		"remainders":           repeated(0x7e, i64Const(-1), slices.Concat(i64Const(-3), []byte{opLocalGet, 1}, i64Const(1), []byte{0x84, 0x82})), // i64.or, i64.rem_u
		"many vectors at once": repeated(0x7b, slices.Concat(denormal, splat), []byte{opLocalGet, 1, opPrefixFD, 0x62}),                           // i8x16.popcnt
		"memory.init":          segment,
	} {
		t.Run(name, func(t *testing.T) {
			best, questions := time.Hour, 0
			for range 5 {
				longest, n := longestGap(t, m, 100*time.Millisecond)
				if best, questions = min(best, longest), questions+n; best <= maxGap {
					break
				}
			}
			t.Logf("longest time on the thread between two questions: %v, of %d", best, questions)
			if best > maxGap {
				t.Errorf("it asked after %v at the earliest", best)
			}
		})
	}
}
