package wasm

import (
	"slices"
	"testing"
	"time"
)

// Value types (WebAssembly 2.0, 5.3.1 and 5.3.2), beside those that the meter writes.
const (
	typeI64  = 0x7e
	typeF32  = 0x7d
	typeF64  = 0x7c
	typeV128 = 0x7b
)

// signalling is a float whose bits arithmetic would change.
var signalling = []byte{0x43, 1, 0, 0xa0, 0x7f} // f32.const

func get(local byte) []byte { return []byte{opLocalGet, local} }
func set(local byte) []byte { return []byte{opLocalSet, local} }

// everyType changes locals of each type in a loop, more of them than a machine has registers, and answers what all of them came to.
func everyType() testFunc {
	const n, sum, wide, one, other, float, vector, ref, first, last = 0, 1, 2, 3, 4, 5, 6, 7, 8, 22
	turn := slices.Concat(
		get(sum), i32Const(1664525), []byte{0x6c}, get(n), []byte{opI32Add}, set(sum), // i32.mul
		get(wide), i64Const(1), []byte{0x89}, get(sum), []byte{opI64ExtendU, 0x85}, set(wide), // i64.rotl, i64.xor
		get(one), get(other), set(one), set(other),
		get(float), []byte{0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0xa0}, set(float), // f64.const 1.5, f64.add
		get(vector), get(sum), []byte{opPrefixFD, 0x11, opPrefixFD, 0xae, 1}, set(vector), // i32x4.splat, i32x4.add
		get(ref), []byte{drop, opRefFunc, 0}, set(ref))
	answer := slices.Concat(get(sum), get(wide), []byte{0xa7, 0x73}, get(one), []byte{0xbc, 0x73}, // i32.wrap_i64, i32.xor, i32.reinterpret_f32
		get(float), []byte{opPrefixFC, 2, 0x73}, get(vector), []byte{opPrefixFD, 0x1b, 3, 0x73}) // i32.trunc_sat_f64_s, i32x4.extract_lane
	for local := byte(first); local <= last; local++ {
		turn = slices.Concat(turn, get(local), get(wide), []byte{opI64Add}, set(local))
		answer = slices.Concat(answer, get(local), []byte{0xa7, 0x73})
	}
	turn = slices.Concat(turn, get(n), i32Const(1), []byte{opI32Sub, opLocalTee, n, opBrIf, 0})
	return testFunc{sig: sigCall, export: "types",
		locals: []byte{8, 1, typeI32, 1, typeI64, 2, typeF32, 1, typeF64, 1, typeV128, 1, typeFunc, last - first, typeI64, 1, typeI64},
		body:   slices.Concat(signalling, set(one), []byte{opLoop, typeEmpty}, turn, []byte{opEnd}, answer)}
}

// TestLocalsOutlastQuestions lets fuel run out in loops and at entries that have locals of every type, and wants them to be what they are without the meter.
func TestLocalsOutlastQuestions(t *testing.T) {
	deep := withTypes(t, []byte{0x60, 6, typeI32, typeI64, typeF32, typeF64, typeV128, typeFunc, 1, typeI32})
	const self = 4
	recursive := testFunc{sig: deep, body: slices.Concat(get(0), []byte{0x45, opIf, typeI32}, // i32.eqz
		get(1), []byte{0xa7}, get(2), []byte{0xbc, 0x73}, get(3), []byte{opPrefixFC, 2, 0x73}, get(4), []byte{opPrefixFD, 0x1b, 1, 0x73}, []byte{opElse},
		get(0), i32Const(1), []byte{opI32Sub}, get(1), i64Const(3), []byte{opI64Add}, get(2), get(3), get(3), []byte{0xa0},
		get(4), get(0), []byte{opPrefixFD, 0x11, opPrefixFD, 0xae, 1}, get(5), callOf(self), get(0), []byte{0x73, opEnd})}
	begin := testFunc{sig: sigCall, export: "recurse", body: slices.Concat(get(0), i64Const(5), signalling, []byte{0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, // f64.const 1
		i32Const(7), []byte{opPrefixFD, 0x11, opRefFunc, 0}, callOf(self))}
	w := twinsOf(t, newPlugin(bodyZero, everyType(), recursive, begin).bytes())
	for n := range uint64(20) {
		if !w.call(t, time.Minute, "types", 10_000+997*n) || !w.call(t, time.Minute, "recurse", 1000+13*n) {
			t.Fatal("a guest ended")
		}
	}
}
