package wasm

// Longest encodings of numbers (WebAssembly 2.0, 5.2.2).
const (
	lebU32 = 5
	lebI32 = 5
	lebI64 = 10
)

// meteredBody is one function on its way through the meter.
type meteredBody struct {
	w         *rewriter
	r         *reader
	out       []byte // the code that is written, without the locals and the entry
	sig       signature
	locals    uint32 // with parameters, before scratch
	scratch   bool   // one more local is used
	loops     []passage
	blocks    []openBlock // innermost last
	entryCost uint32
	plain     bool // nothing has happened but what leads to the next instruction
	covers    int  // offset of the cost of the loop that charges for the entry too; 0: none
	leaf      bool // no loop, call or bulk operation was met
	tangle    tangle
	survey    bool // the code is only looked at
}

// code writes the code section (WebAssembly 2.0, 5.5.13).
func (w *rewriter) code(r *reader, out []byte, n int) []byte {
	if n != w.own() {
		r.fail("%d functions have a type, %d have code", w.own(), n)
		return nil
	}
	b := &meteredBody{w: w}
	for i := range n {
		size := r.u32()
		at := r.pos
		content := r.take(size)
		if r.err != nil {
			return nil
		}
		b.r = &reader{b: content, base: r.base + at}
		out = b.write(out, w.imported+uint32(i))
		w.tangled = max(w.tangled, b.tangle.knots())
		if b.r.limit("knots, which take too long to compile, in a function", b.tangle.knots(), maxKnots); b.r.err == nil {
			w.toil += b.tangle.toil()
			b.r.limit("of toil, which takes too long, to compile the functions up to here", w.toil, maxToil)
		}
		if b.r.err != nil {
			r.err = b.r.err
			return nil
		}
	}
	return out
}

// write appends the body of the function with that original index.
func (b *meteredBody) write(out []byte, fn uint32) []byte {
	b.sig = b.w.signature(fn)
	declared, runs := b.readLocals()
	b.out, b.scratch, b.plain, b.covers, b.leaf = b.out[:0], false, true, 0, true
	b.loops = append(b.loops[:0], passage{cost: uint64(unitEntry + b.locals)})
	b.blocks = append(b.blocks[:0], openBlock{moved: b.sig.results, sig: signature{results: b.sig.results}})
	b.tangle.begin(b.locals + b.sig.results)
	for b.r.err == nil && len(b.blocks) > 0 {
		b.instruction()
	}
	b.settle()
	if b.r.done() != nil {
		return nil
	}
	entry := b.entry(fn)
	if b.scratch {
		runs++
	}
	locals := append(appendU32(nil, runs), declared...)
	if b.scratch {
		locals = append(locals, 1, typeI32)
	}
	out = appendU32(out, uint32(len(locals)+len(entry)+len(b.out)))
	return append(append(append(out, locals...), entry...), b.out...)
}

// readLocals gives the declarations of locals as they are and counts them.
func (b *meteredBody) readLocals() (declared []byte, runs uint32) {
	r := b.r
	runs = uint32(r.count())
	start := r.pos
	total := uint64(b.sig.params)
	for range runs {
		total += uint64(r.u32())
		r.valueType()
	}
	r.limit("locals", total, maxLocals)
	b.locals = uint32(total)
	return r.b[start:r.pos], runs
}

// instruction copies one instruction and what the meter adds to it.
func (b *meteredBody) instruction() {
	r := b.r
	start := r.pos
	op := r.byte()
	b.refresh(op)
	b.pay(uint32(costs[op]))
	b.tangle.step(int(effects[op]))
	switch follows := opcodes[op]; follows {
	case immBlock:
		sig := b.blockType()
		b.out = append(b.out, r.b[start:r.pos]...)
		b.open(op, sig)
		return
	case immElse, immEnd:
		b.close(op)
	case immFunc:
		b.function(op)
		return
	case immIndirect:
		b.indirect()
	case immPrefixFC:
		b.bulkOperation(start)
		return
	case immPrefixFD:
		b.vector()
	case immInvalid:
		r.foreign("instruction %#x", op)
		return
	default:
		if op < opLocalGet && op != 0x01 { // a jump, or nothing that begins a function
			b.plain = false
		}
		b.immediates(follows)
		switch op {
		case opBr, opBrTable:
			b.part()
		case opReturn:
			b.jump(b.sig.results)
			b.part()
		case opMemoryGrow:
			b.leaf = false
			b.chargeGrow()
		}
	}
	b.out = append(b.out, r.b[start:r.pos]...)
}

// function copies call and ref.func. A reference is taken from a global that the meter adds: wazero would allocate it anew each time, and keep it as
// long as the instance lives.
func (b *meteredBody) function(op byte) {
	index := b.r.u32()
	if uint64(index) >= uint64(len(b.w.funcs)) {
		b.r.fail("function %d does not exist", index)
		return
	}
	if op == opRefFunc {
		b.out = appendU32(append(b.out, opGlobalGet), b.reference(index))
		return
	}
	b.plain, b.leaf = false, false
	b.pay(b.w.leaves[index])
	b.tangle.call(b.w.signature(index))
	b.out = appendU32(append(b.out, op), b.w.renumber(index, inCall))
}

// reference gives the global that holds a reference to a function.
func (b *meteredBody) reference(index uint32) uint32 {
	w := b.w
	if b.survey {
		if _, known := w.references[index]; !known {
			w.references[index] = w.globals + 1 + uint32(len(w.referenced))
			w.referenced = append(w.referenced, index)
		}
	} else if !w.declared[index] {
		b.r.fail("function %d is referred to, but nothing says before that it will be", index)
	}
	return w.references[index]
}

// indirect reads call_indirect.
func (b *meteredBody) indirect() {
	index := b.r.u32()
	b.typeIndex(int64(index))
	b.r.leb(lebU32)
	if b.r.err == nil {
		b.tangle.call(b.w.types[index])
	}
	b.plain, b.leaf = false, false
	b.pay(b.w.indirect)
}

// label reads where a jump goes and gives how many values it takes along.
func (b *meteredBody) label() uint32 {
	n := b.r.u32()
	if uint64(n) >= uint64(len(b.blocks)) {
		b.r.fail("label %d does not exist", n)
		return 0
	}
	return b.blocks[len(b.blocks)-1-int(n)].moved
}

// jump pays for the values that a jump takes along.
func (b *meteredBody) jump(moved uint32) {
	b.pay(moved)
	b.tangle.jump(moved)
}

// charge appends the code that takes a cost from the fuel.
func (w *rewriter) charge(out []byte, cost uint32) []byte {
	out = append(out, w.prefix()...)
	at := len(out)
	out = append(out, make([]byte, costSize)...)
	putCost(out[at:], cost)
	return w.suffix(out)
}

// prefix is the code before the cost, suffix the code behind it.
func (w *rewriter) prefix() []byte { return append(append([]byte{opGlobalGet}, w.fuel...), opI32Const) }

func (w *rewriter) suffix(out []byte) []byte {
	out = append(out, opI32Sub, opGlobalSet)
	return append(out, w.fuel...)
}

// check appends the code that asks for fuel when there is none left.
func (w *rewriter) check(out []byte) []byte {
	out = w.spent(out)
	out = append(out, typeEmpty)
	out = w.ask(out)
	return append(out, opEnd)
}

// checkAgain is check for a charge that begins a loop without parameters: with new fuel the code goes back to the loop's header, and pays once more. No
// call lies on the way past it, so wazero keeps in registers what is there; behind check it keeps all on the machine stack and takes it from there each
// time. Beside what that costs, its 8-byte slots may lie across two pages, which depends on where the stack lies: such a slot took 12 ns a turn. The
// question stands in an else, which lets wazero put it at the end of the function: of two ways it goes on with the one that comes first in the code, and
// the way past the question takes no jump.
func (w *rewriter) checkAgain(out []byte) []byte {
	out = append(append(out, opGlobalGet), w.fuel...)
	out = append(out, opI32Const, 0, opI32GeS, opIf, typeEmpty, opElse)
	return append(w.ask(out), opBr, 1, opEnd)
}

// spent appends the beginning of an if, without its type, that is entered when there is no fuel left.
func (w *rewriter) spent(out []byte) []byte {
	out = append(append(out, opGlobalGet), w.fuel...)
	return append(out, opI32Const, 0, opI32LtS, opIf)
}

// ask appends the call of refuel.
func (w *rewriter) ask(out []byte) []byte {
	out = appendU32(append(out, opCall), w.refuel)
	return append(append(out, opGlobalSet), w.fuel...)
}
