package wasm

// Opcodes that the meter looks at or writes (WebAssembly 2.0, 5.4).
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI32LtS       = 0x48
	opI32GtU       = 0x4b
	opI32LeU       = 0x4d
	opI32GeS       = 0x4e
	opI64GtU       = 0x56
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32And       = 0x71
	opI32Shl       = 0x74
	opI32ShrU      = 0x76
	opI64Add       = 0x7c
	opI64Shl       = 0x86
	opI64ExtendU   = 0xad
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opPrefixFC     = 0xfc // bulk operations, saturating truncation
	opPrefixFD     = 0xfd // vectors

	typeEmpty = 0x40
	typeI32   = 0x7f
	typeFunc  = 0x70
)

// Opcodes behind opPrefixFC.
const (
	fcMemoryInit = 8
	fcMemoryCopy = 10
	fcMemoryFill = 11
	fcTableInit  = 12
	fcTableCopy  = 14
	fcTableGrow  = 15
	fcTableFill  = 17
)

// immediate says what follows an opcode.
type immediate uint8

const (
	immInvalid immediate = iota
	immNone
	immBlock  // block type
	immElse   // nothing
	immEnd    // nothing
	immIndex  // table, segment: a number that means the same after the rewriting
	immIndex2 // two of them
	immLabel
	immLabels // br_table's
	immFunc
	immIndirect // type, table
	immLocal
	immGlobal
	immMemory     // alignment, offset
	immMemoryLane // and a lane
	immZero       // one byte 0
	immZero2
	immIndexZero
	immI32
	immI64
	imm1 // so many bytes
	imm4
	imm8
	imm16
	immSelect // one value type
	immHeap   // a reference type
	immPrefixFC
	immPrefixFD
)

type span struct {
	first, last byte
	follows     immediate
}

// opcodes, opcodesFC and opcodesFD are all instructions of WebAssembly 2.0 (5.4) with what follows them.
var opcodes = spans(
	span{0x00, 0x01, immNone}, span{opBlock, opIf, immBlock}, span{opElse, opElse, immElse}, span{opEnd, opEnd, immEnd},
	span{opBr, opBrIf, immLabel}, span{opBrTable, opBrTable, immLabels}, span{opReturn, opReturn, immNone}, span{opCall, opCall, immFunc}, span{opCallIndirect, opCallIndirect, immIndirect},
	span{0x1a, 0x1b, immNone}, span{0x1c, 0x1c, immSelect},
	span{opLocalGet, opLocalTee, immLocal}, span{opGlobalGet, opGlobalSet, immGlobal},
	span{0x25, 0x26, immIndex}, // table.get, table.set
	span{0x28, 0x3e, immMemory}, span{opMemorySize, opMemoryGrow, immZero},
	span{opI32Const, opI32Const, immI32}, span{opI64Const, opI64Const, immI64}, span{0x43, 0x43, imm4}, span{0x44, 0x44, imm8},
	span{0x45, 0xc4, immNone},
	span{opRefNull, opRefNull, immHeap}, span{0xd1, 0xd1, immNone}, span{opRefFunc, opRefFunc, immFunc},
	span{opPrefixFC, opPrefixFC, immPrefixFC}, span{opPrefixFD, opPrefixFD, immPrefixFD},
)

var opcodesFC = spans(
	span{0, 7, immNone}, // saturating truncation
	span{fcMemoryInit, fcMemoryInit, immIndexZero},
	span{9, 9, immIndex}, // data.drop
	span{fcMemoryCopy, fcMemoryCopy, immZero2}, span{fcMemoryFill, fcMemoryFill, immZero},
	span{fcTableInit, fcTableInit, immIndex2},
	span{13, 13, immIndex}, // elem.drop
	span{fcTableCopy, fcTableCopy, immIndex2},
	span{fcTableGrow, fcTableFill, immIndex}, // and table.size between them
)

var opcodesFD = spans(
	span{0x00, 0x0b, immMemory}, span{0x0c, 0x0d, imm16}, // v128.const, i8x16.shuffle
	span{0x0e, 0x14, immNone},
	span{0x15, 0x22, imm1}, // lanes
	span{0x23, 0x53, immNone}, span{0x54, 0x5b, immMemoryLane}, span{0x5c, 0x5d, immMemory},
	span{0x5e, 0xff, immNone},
)

func spans(all ...span) (table [256]immediate) {
	for _, s := range all {
		for op := int(s.first); op <= int(s.last); op++ {
			table[op] = s.follows
		}
	}
	return table
}
