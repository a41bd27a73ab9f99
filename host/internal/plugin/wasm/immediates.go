package wasm

// immediates reads what follows an opcode and checks what could mean one of the meter's additions.
func (b *meteredBody) immediates(follows immediate) {
	r := b.r
	switch follows {
	case immNone: // nothing
	case immIndex:
		r.leb(lebU32)
	case immIndex2, immMemory:
		r.leb(lebU32)
		r.leb(lebU32)
	case immMemoryLane:
		r.leb(lebU32)
		r.leb(lebU32)
		r.byte()
	case immLabel:
		b.jump(b.label())
	case immLabels:
		b.labels()
	case immLocal:
		if index := r.u32(); index >= b.locals {
			r.fail("local %d does not exist", index)
		} else {
			b.tangle.local(index)
		}
	case immGlobal:
		b.w.global(r)
	case immZero:
		b.zero()
	case immZero2:
		b.zero()
		b.zero()
	case immIndexZero:
		r.leb(lebU32)
		b.zero()
	case immI32:
		r.leb(lebI32)
	case immI64:
		r.leb(lebI64)
	case imm1, imm4, imm8, imm16:
		r.take([...]uint32{imm1: 1, imm4: 4, imm8: 8, imm16: 16}[follows])
	case immSelect:
		if r.byte() != 1 {
			r.foreign("a select of other than one type")
		}
		r.valueType()
	case immHeap:
		r.referenceType()
	default:
		r.foreign("an instruction")
	}
}

// zero reads a memory's index, which is one byte.
func (b *meteredBody) zero() {
	if b.r.byte() != 0 {
		b.r.foreign("a second memory")
	}
}

func (b *meteredBody) typeIndex(index int64) {
	if index >= int64(len(b.w.types)) {
		b.r.fail("type %d does not exist", index)
	}
}

// labels reads br_table's. Only one of the jumps is made.
func (b *meteredBody) labels() {
	most := uint32(0)
	for range b.r.count() + 1 {
		moved := b.label()
		b.tangle.jump(moved)
		most = max(most, moved)
	}
	b.pay(most)
}

// blockType reads the type of a block (WebAssembly 2.0, 5.4.1).
func (b *meteredBody) blockType() signature {
	index := b.r.s33()
	if index >= 0 {
		if b.typeIndex(index); b.r.err != nil {
			return signature{}
		}
		return b.w.types[index]
	}
	t := byte(index & 0x7f)
	if index < -64 || t != typeEmpty && valueTypes[t] == "" {
		b.r.foreign("block type %d", index)
	}
	if t == typeEmpty {
		return signature{}
	}
	return signature{results: 1}
}

// vector reads a vector instruction behind its prefix. Its opcode is a LEB128 number of one or two bytes; wazero reads one byte, and takes a second,
// which is 1 for all instructions that exist, for a nop. Whatever the two would read differently is refused.
func (b *meteredBody) vector() {
	op := b.r.byte()
	if op >= 0x80 {
		if b.r.byte() != 1 {
			b.r.foreign("a vector instruction behind %#x", op)
		}
		b.pay(unitVector)
		b.tangle.step(-1) // those of one number among them, too: few
		return
	}
	b.pay(uint32(costsFD[op]))
	b.tangle.step(int(effectsFD[op]))
	b.immediates(opcodesFD[op])
}
