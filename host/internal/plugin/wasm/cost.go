package wasm

// What the code pays. A unit is what a simple instruction takes at most, which is well under a nanosecond when all goes well. The table is not a
// model of time: it sees to it that the worst that a guest can make of each instruction, a load that no cache has, a division, a product of denormal
// numbers, stays within some 20 ns a unit, so that a slice of fuel is at most a millisecond whatever it is spent on. All of it is chosen, and held
// against the clock of the thread by TestGaps.
const (
	unitAccess   = 16 // memory: up to 100 ns
	unitTable    = 8  // a table may be larger than any cache
	unitJump     = 8  // br_table: so may be the list of its targets
	unitDivide   = 8  // 10 to 20 ns
	unitFloat    = 4  // 50 ns with denormal numbers
	unitVector   = 4  // some are ten instructions of the machine
	unitIndirect = 24 // call_indirect: three accesses, each of which needs the one before
	unitBulk     = 16 // bulk operations begin with a call of the host's own code
	unitGrow     = 32 // memory.grow and table.grow leave the machine code
	// unitEntry is for a function's frame without its locals, so that the stack grows by little between two questions: a local takes 8 or 16 bytes,
	// the rest of a frame some 64.
	unitEntry = 8
)

// Bounds of charges; chosen.
const (
	// maxStraight is up to what cost code without a loop or call is paid for in one go, before it runs. What lies behind is charged for by itself.
	maxStraight = 8192
	// minPart is from what cost on code that nothing but a jump leads to is not paid for with what stands before it.
	minPart = 192
	// maxCovered is up to what cost a function's own instructions are charged with each turn of its loop, if it always enters it. Go's functions are
	// such loops.
	maxCovered = 128
	// maxLeaf is up to what cost a function without calls and loops is paid for by its callers. call_indirect pays as if it called such a one.
	maxLeaf = 64
)

// costSize is how many bytes a cost takes in the code: 3*7 bits hold 2^20 and a sign. The dearest passage is a function's entry, with all its locals.
const costSize = 3

// cost is a table of what each instruction costs beside the values that it moves.
type cost [256]uint8

// charged fills a table: all instructions cost other, but for those named.
func charged(other uint8, named ...price) (table cost) {
	for op := range table {
		table[op] = other
	}
	for _, p := range named {
		for op := int(p.first); op <= int(p.last); op++ {
			table[op] = p.units
		}
	}
	return table
}

type price struct {
	first, last byte
	units       uint8
}

var costs = charged(1,
	price{opBrTable, opBrTable, unitJump}, price{opCallIndirect, opCallIndirect, unitIndirect},
	price{0x25, 0x26, unitTable},                               // table.get, table.set
	price{0x28, 0x3e, unitAccess},                              // loads and stores
	price{opMemoryGrow, opMemoryGrow, unitGrow},                //
	price{0x6d, 0x70, unitDivide},                              // i32.div, i32.rem
	price{0x7f, 0x82, unitDivide},                              // i64.div, i64.rem
	price{0x8d, 0x98, unitFloat}, price{0x9b, 0xa6, unitFloat}, // f32 and f64 from ceil to copysign
	price{0x91, 0x91, unitDivide}, price{0x9f, 0x9f, unitDivide}, // sqrt
	price{0x95, 0x95, unitDivide}, price{0xa3, 0xa3, unitDivide}, // div
	price{0xa8, 0xab, unitFloat}, price{0xae, 0xbb, unitFloat}, // conversions, without i64.extend
)

var costsFC = charged(unitBulk, price{0, 7, unitFloat}, price{fcTableGrow, fcTableGrow, unitGrow})

var costsFD = charged(unitVector,
	price{0x00, 0x0b, 2 * unitAccess}, price{0x54, 0x5d, 2 * unitAccess}, // loads and stores, up to two lines of the cache
	price{0x0c, 0x0c, 1}, // v128.const
	price{0x67, 0x6a, 2 * unitFloat}, price{0x74, 0x75, 2 * unitFloat}, price{0x7a, 0x7a, 2 * unitFloat}, price{0x94, 0x94, 2 * unitFloat},
	price{0xe0, 0xff, 2 * unitFloat}, // floating point
	price{0xe3, 0xe3, 2 * unitDivide}, price{0xe7, 0xe7, 2 * unitDivide}, price{0xef, 0xef, 2 * unitDivide}, price{0xf3, 0xf3, 2 * unitDivide},
)

// putCost writes a cost in exactly costSize bytes.
func putCost(b []byte, cost uint32) {
	b[0], b[1], b[2] = byte(cost)|0x80, byte(cost>>7)|0x80, byte(cost>>14)
}

func getCost(b []byte) uint32 { return uint32(b[0]&0x7f) | uint32(b[1]&0x7f)<<7 | uint32(b[2])<<14 }
