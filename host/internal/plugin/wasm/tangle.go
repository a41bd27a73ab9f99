package wasm

import "math"

// wazero compiles a function in a time that grows with how many values take how many ways through it: where ways join, each value that may differ
// is handed over on each of them. A module of 13 KB can ask for seconds, one of 60 KB for hours, and nothing ends a compilation once it has begun. So
// such modules are refused, by an estimate that no compiler comes near.

// Chosen. With 2^20 knots a function takes some 4 s and 270 MiB to compile, four times as many take eight times as long; so a module's toil is the sum
// of its functions' knots to the power of 1.5, and what is allowed is some 15 s. Of the modules at hand the plugins have up to 20,000 knots in one
// function, and the compiler of Go, which has 49 MB, comes closest in all (TestRealModulesAreNoTangle).
const (
	maxKnots = 1 << 20
	maxToil  = 1 << 32
)

// maxLoops is how many loops may lie in each other; chosen. What they take to compile grows faster than with their square.
const maxLoops = 200

// tangle estimates what a function asks of the compiler.
type tangle struct {
	known   []uint32 // for each local: the number of the last function that touched it
	number  uint32
	stated  uint64 // locals and results
	touched uint64 // locals
	ways    uint64 // blocks and jumps
	moved   uint64 // values that blocks, jumps and calls take and give, and that lie on the stack meanwhile
	height  int    // of the stack of values; at least what it is
	base    int    // below which the innermost block does not reach
}

func (t *tangle) begin(stated uint32) {
	t.number++
	t.stated, t.touched, t.ways, t.moved, t.height, t.base = uint64(stated), 0, 0, 0, 0, 0
}

func (t *tangle) local(index uint32) {
	if uint64(index) >= uint64(len(t.known)) {
		t.known = append(t.known, make([]uint32, int(index)+1-len(t.known))...)
	}
	if t.known[index] != t.number {
		t.known[index] = t.number
		t.touched++
	}
}

// step takes values from the stack and puts others there. Code that never runs may take more than there is.
func (t *tangle) step(more int) { t.height = max(t.height+more, t.base) }

// block begins one and gives the base of the one around it.
func (t *tangle) block(sig signature) (around int) {
	t.jump(sig.params + sig.results)
	around = t.base
	t.base = max(t.height-int(sig.params), t.base)
	t.height = t.base + int(sig.params)
	return around
}

// end ends a block, which leaves results behind.
func (t *tangle) end(around int, results uint32) {
	t.height, t.base = t.base+int(results), around
}

func (t *tangle) jump(moved uint32) {
	t.ways++
	t.moved += uint64(moved) + uint64(t.height)
}

func (t *tangle) call(sig signature) {
	t.moved += uint64(sig.params) + uint64(sig.results)
	t.step(int(sig.results) - int(sig.params))
}

func (t *tangle) knots() uint64 { return t.stated + t.moved + t.touched*t.ways }

func (t *tangle) toil() uint64 { return uint64(math.Pow(float64(t.knots()), 1.5)) }

// effect is a table of how many values more an instruction leaves than it takes. Calls, and the ends of blocks, are not in it.
type effect [256]int8

type change struct {
	first, last byte
	more        int8
}

func changes(other int8, all ...change) (table effect) {
	for op := range table {
		table[op] = other
	}
	for _, c := range all {
		for op := int(c.first); op <= int(c.last); op++ {
			table[op] = c.more
		}
	}
	return table
}

var effects = changes(0,
	change{opIf, opIf, -1}, change{opBrIf, opBrTable, -1}, change{opCallIndirect, opCallIndirect, -1},
	change{0x1a, 0x1a, -1}, change{0x1b, 0x1c, -2}, // drop, select
	change{opLocalGet, opLocalGet, 1}, change{opLocalSet, opLocalSet, -1}, change{opGlobalGet, opGlobalGet, 1}, change{opGlobalSet, opGlobalSet, -1},
	change{0x26, 0x26, -2}, change{0x36, 0x3e, -2}, // table.set, stores
	change{opMemorySize, opMemorySize, 1}, change{opI32Const, 0x44, 1},
	change{0x46, 0x4f, -1}, change{0x51, 0x66, -1}, // comparisons
	change{0x6a, 0x78, -1}, change{0x7c, 0x8a, -1}, change{0x92, 0x98, -1}, change{0xa0, 0xa6, -1}, // of two numbers
	change{opRefNull, opRefNull, 1}, change{opRefFunc, opRefFunc, 1},
)

var effectsFC = changes(0, change{fcMemoryInit, fcMemoryInit, -3}, change{fcMemoryCopy, fcTableInit, -3}, change{fcTableCopy, fcTableCopy, -3},
	change{fcTableGrow, fcTableGrow, -1}, change{16, 16, 1}, change{fcTableFill, fcTableFill, -3}) // 16: table.size

var effectsFD = changes(-1,
	change{0x00, 0x0a, 0}, change{0x0b, 0x0b, -2}, change{0x0c, 0x0c, 1}, // loads, v128.store, v128.const
	change{0x0f, 0x16, 0}, change{0x18, 0x19, 0}, change{0x1b, 0x1b, 0}, change{0x1d, 0x1d, 0}, change{0x1f, 0x1f, 0}, change{0x21, 0x21, 0}, // lanes
	change{0x4d, 0x4d, 0}, change{0x52, 0x52, -2}, change{0x53, 0x53, 0}, change{0x58, 0x5b, -2}, change{0x5c, 0x64, 0}, change{0x67, 0x6a, 0},
	change{0x74, 0x75, 0}, change{0x7a, 0x7a, 0}, change{0x7c, 0x81, 0}, change{0x83, 0x84, 0}, change{0x87, 0x8a, 0}, change{0x94, 0x94, 0},
	change{0xa0, 0xa1, 0}, change{0xa3, 0xa4, 0}, change{0xa7, 0xaa, 0}, change{0xc0, 0xc1, 0}, change{0xc3, 0xc4, 0}, change{0xc7, 0xca, 0},
	change{0xe0, 0xe1, 0}, change{0xe3, 0xe3, 0}, change{0xec, 0xed, 0}, change{0xef, 0xef, 0}, change{0xf8, 0xff, 0}, // of one number
)
