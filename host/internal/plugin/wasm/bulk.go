package wasm

import (
	"bytes"
	"slices"
)

// Bulk operations are one instruction and may take milliseconds, so they are charged by what they move before they move it. Those on memory are done
// in pieces by helpers that the meter adds: 200 MiB in one memory.fill were measured at 8.8 ms, in which nothing else of the process may get its
// turn. Tables are bounded by maxTableElements.
const (
	bytesPerUnit  = 5  // memory: 32 bytes cost 1, as a shift
	elementsShift = 3  // tables: 8 elements, which are 64 bytes, cost 1
	pageShift     = 10 // memory.grow: a page of 64 KiB costs 1024
	pagesMask     = 0xffff
	pieceBytes    = 1 << 20 // chosen: 44 µs
)

// piecewise is the operations that are done in pieces, in the order of their helpers, which are a module's last functions.
type piecewise struct{ ops [][]byte }

// bulkOperation copies an instruction behind opPrefixFC.
func (b *meteredBody) bulkOperation(start int) {
	r := b.r
	op := r.u32()
	if op >= 0x100 || opcodesFC[op] == immInvalid {
		r.foreign("instruction %#x %#x", opPrefixFC, op)
		return
	}
	b.pay(uint32(costsFC[op]))
	b.tangle.step(int(effectsFC[op]))
	b.leaf = b.leaf && op < fcMemoryInit // saturating truncation
	segment := r.pos
	b.immediates(opcodesFC[op])
	original := r.b[start:r.pos]
	switch op {
	case fcMemoryInit:
		n := (&reader{b: r.b, pos: segment}).u32()
		if b.w.segment(n) > pieceBytes {
			b.inPieces(opInit(n), original)
			return
		}
		b.chargeSize(bytesPerUnit)
		b.out = b.w.check(b.out)
	case fcMemoryCopy:
		b.inPieces(opCopy, original)
		return
	case fcMemoryFill:
		b.inPieces(opFill, original)
		return
	case fcTableInit, fcTableCopy, fcTableFill:
		b.chargeSize(elementsShift)
		b.out = b.w.check(b.out)
	}
	b.out = append(b.out, original...)
}

// inPieces copies an operation that a helper does in its place if it is more than the fuel that is left pays for.
func (b *meteredBody) inPieces(op, original []byte) {
	b.chargeSize(bytesPerUnit)
	b.out = b.w.spent(b.out)
	b.out = appendU32(b.out, uint32(len(b.w.types)+1)) // (i32, i32, i32)
	b.out = append(b.out, opCall)
	b.out = appendU32(b.out, b.w.bulk.helper(b.w, op))
	b.out = append(b.out, opElse)
	b.out = append(append(b.out, original...), opEnd)
}

// chargeSize charges for the number on top of the stack, shifted right.
func (b *meteredBody) chargeSize(shift byte) {
	b.chargeTop(opI32Const, shift, opI32ShrU)
}

// chargeGrow charges for so many pages as the number on top of the stack says. More than memory can ever have are refused by wazero at once, and
// need not be charged.
func (b *meteredBody) chargeGrow() {
	b.chargeTop(append(appendSLEB([]byte{opI32Const}, pagesMask), opI32And, opI32Const, pageShift, opI32Shl)...)
	b.out = b.w.check(b.out)
}

// chargeTop takes from the fuel what the code makes of the number on top of the stack, which stays there.
func (b *meteredBody) chargeTop(code ...byte) {
	b.scratch = true
	w := b.w
	out := appendU32(append(b.out, opLocalTee), b.locals)
	out = append(append(out, opGlobalGet), w.fuel...)
	out = appendU32(append(out, opLocalGet), b.locals)
	out = append(out, code...)
	b.out = append(append(out, opI32Sub, opGlobalSet), w.fuel...)
}

// appendSLEB writes a signed LEB128 number.
func appendSLEB(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// helper is the function that does an operation in pieces.
func (h *piecewise) helper(w *rewriter, op []byte) uint32 {
	at := slices.IndexFunc(h.ops, func(known []byte) bool { return bytes.Equal(known, op) })
	if at < 0 { // in the survey
		at = len(h.ops)
		h.ops = append(h.ops, op)
	}
	return uint32(len(w.funcs)) + 1 + uint32(at) // refuel is one more
}

func (h *piecewise) types(w *rewriter) (types [][]byte) {
	for range h.ops {
		types = append(types, appendU32(nil, uint32(len(w.types)+1)))
	}
	return types
}

func (h *piecewise) bodies(w *rewriter) (bodies [][]byte) {
	for _, op := range h.ops {
		var code []byte
		switch op[1] {
		case fcMemoryFill:
			code = w.fillInPieces()
		case fcMemoryCopy:
			code = w.copyInPieces()
		case fcMemoryInit:
			code = w.initInPieces(op)
		}
		bodies = append(bodies, sized(code))
	}
	return bodies
}

// sized puts a function's code, which has no locals, behind its size.
func sized(code []byte) []byte {
	body := append(append([]byte{0}, code...), opEnd)
	return append(appendU32(nil, uint32(len(body))), body...)
}

// Parameters of the helpers: those of memory.fill and memory.copy.
const (
	paramTo = iota
	paramFrom
	paramSize
)

var (
	opFill = []byte{opPrefixFC, fcMemoryFill, 0}
	opCopy = []byte{opPrefixFC, fcMemoryCopy, 0, 0}
	getTo  = []byte{opLocalGet, paramTo}
	// allAtOnce puts the three parameters on the stack.
	allAtOnce = []byte{opLocalGet, paramTo, opLocalGet, paramFrom, opLocalGet, paramSize}
	piece     = appendSLEB([]byte{opI32Const}, pieceBytes)
	// ifLast begins an if that is entered when one piece is left.
	ifLast = join([]byte{opLocalGet, paramSize}, piece, []byte{opI32LeU, opIf, typeEmpty})
	// lessOnePiece takes a piece from the size.
	lessOnePiece = join([]byte{opLocalGet, paramSize}, piece, []byte{opI32Sub, opLocalSet, paramSize})
)

// opInit is memory.init of a segment.
func opInit(segment uint32) []byte {
	return append(appendU32([]byte{opPrefixFC, fcMemoryInit}, segment), 0)
}

func join(all ...[]byte) (out []byte) {
	for _, b := range all {
		out = append(out, b...)
	}
	return out
}

// ifOutside begins an if that is entered when the bytes from a parameter on lie outside the memory: the operation traps before it writes any.
func ifOutside(param byte) []byte {
	return []byte{
		opLocalGet, param, opI64ExtendU, opLocalGet, paramSize, opI64ExtendU, opI64Add,
		opMemorySize, 0, opI64ExtendU, opI64Const, 16, opI64Shl, opI64GtU, opIf, typeEmpty,
	}
}

// turn begins the loop that does one piece each turn: what is the last piece is done and the helper returns.
func (w *rewriter) turn(op []byte) []byte {
	return join([]byte{opLoop, typeEmpty}, w.check(w.charge(nil, pieceBytes>>bytesPerUnit)), ifLast, allAtOnce, op, []byte{opReturn, opEnd})
}

// fillInPieces is called in place of memory.fill when there is no fuel left, which is so for all that fill more than a slice pays for.
func (w *rewriter) fillInPieces() []byte {
	return join(w.ask(nil), ifOutside(paramTo), allAtOnce, opFill, []byte{opEnd},
		w.turn(opFill), getTo, []byte{opLocalGet, paramFrom}, piece, opFill,
		advance(paramTo), lessOnePiece, []byte{opBr, 0, opEnd})
}

// copyInPieces is fillInPieces for memory.copy. Which end it begins at decides that no byte is overwritten before it was copied.
func (w *rewriter) copyInPieces() []byte {
	outside := join(allAtOnce, opCopy, []byte{opEnd})
	upward := w.upward(opCopy)
	end := func(param byte) []byte { return []byte{opLocalGet, param, opLocalGet, paramSize, opI32Add} }
	downward := join(w.turn(opCopy), lessOnePiece, end(paramTo), end(paramFrom), piece, opCopy, []byte{opBr, 0, opEnd})
	return join(w.ask(nil), ifOutside(paramTo), outside, ifOutside(paramFrom), outside,
		[]byte{opLocalGet, paramTo, opLocalGet, paramFrom, opI32GtU, opIf, typeEmpty}, downward, []byte{opElse}, upward, []byte{opEnd})
}

// upward does an operation from its first piece to its last.
func (w *rewriter) upward(op []byte) []byte {
	return join(w.turn(op), getTo, []byte{opLocalGet, paramFrom}, piece, op,
		advance(paramTo), advance(paramFrom), lessOnePiece, []byte{opBr, 0, opEnd})
}

// initInPieces is fillInPieces for memory.init. What passes the end of the segment traps as a whole. That of a segment which was dropped, and has no
// bytes any more, traps in its first piece.
func (w *rewriter) initInPieces(op []byte) []byte {
	r := reader{b: op, pos: 2}
	size := appendSLEB([]byte{opI64Const}, int64(w.segment(r.u32())))
	outside := join(allAtOnce, op, []byte{opEnd})
	return join(w.ask(nil), ifOutside(paramTo), outside,
		[]byte{opLocalGet, paramFrom, opI64ExtendU, opLocalGet, paramSize, opI64ExtendU, opI64Add}, size, []byte{opI64GtU, opIf, typeEmpty}, outside,
		w.upward(op))
}

// advance adds a piece to a parameter.
func advance(param byte) []byte {
	return join([]byte{opLocalGet, param}, piece, []byte{opI32Add, opLocalSet, param})
}
