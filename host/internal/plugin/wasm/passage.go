package wasm

// All code is paid for before it runs, at charges: at the function's entry, in each loop's header, and where that leaves more than maxStraight unpaid.
// A charge is for what follows it up to the next one of the same loop, or of the function, without the loops in between. That is at least what runs,
// as code only runs forward in a loop: whatever is reached without passing the charge before it, because a jump can pass that by, gets a charge of
// its own. Such places are the ends of blocks that hold a charge, and their else.

// passage is what a charge is for, of a loop whose end is not reached; the first stands for the function.
type passage struct {
	at    int // of its cost in out; 0: at the entry, which is written last
	cost  uint64
	stale bool   // the next instruction can be reached without passing the charge
	owed  uint64 // charged since the last one that asked
}

// openBlock is a block, loop or if whose end is not reached, or the function.
type openBlock struct {
	loop    bool
	charged bool   // there is a charge in it that jumps can pass by
	moved   uint32 // values that a jump to it moves
	sig     signature
	around  int // tangle.base of the block around
}

func (b *meteredBody) passage() *passage { return &b.loops[len(b.loops)-1] }
func (b *meteredBody) block() *openBlock { return &b.blocks[len(b.blocks)-1] }
func (b *meteredBody) pay(units uint32)  { b.passage().cost += uint64(units) }

// open begins a block, whose first byte has been read and written to out with its type.
func (b *meteredBody) open(op byte, sig signature) {
	b.pay(sig.params)
	block := openBlock{loop: op == opLoop, moved: sig.results, sig: sig, around: b.tangle.block(sig)}
	if block.loop {
		block.moved = sig.params
		b.openLoop(sig)
	}
	b.plain = b.plain && op == opBlock
	b.blocks = append(b.blocks, block)
}

// close ends the innermost block, or what stands before its else.
func (b *meteredBody) close(op byte) {
	block := *b.block()
	b.pay(block.sig.results)
	switch {
	case op == opElse:
		b.passage().stale = block.charged
		b.tangle.height = b.tangle.base + int(block.sig.params)
		return
	case block.loop:
		b.settle()
		b.loops = b.loops[:len(b.loops)-1]
	case block.charged && len(b.blocks) > 1:
		b.blocks[len(b.blocks)-2].charged = true
		b.passage().stale = true
	}
	b.blocks = b.blocks[:len(b.blocks)-1]
	b.tangle.end(block.around, block.sig.results)
}

// refresh puts a charge before an instruction if it needs one. An end that moves nothing is left to the charge behind it.
func (b *meteredBody) refresh(op byte) {
	p := b.passage()
	if !p.stale && p.owed+p.cost < maxStraight || (op == opEnd || op == opElse) && b.block().sig.results == 0 {
		return
	}
	b.settle()
	p.owed += p.cost
	p.stale, p.cost = false, 0
	b.charge(p)
	if p.owed >= maxStraight {
		p.owed = 0
		b.out = b.w.check(b.out)
	}
	b.block().charged = true
	b.plain = false
}

// part has what follows an instruction that never goes on to the next one pay for itself.
func (b *meteredBody) part() {
	if p := b.passage(); p.cost >= minPart {
		p.stale = true
	}
}

// charge writes one, whose cost is known later.
func (b *meteredBody) charge(p *passage) {
	b.out = append(b.out, b.w.prefix()...)
	p.at = len(b.out)
	b.out = b.w.suffix(append(b.out, make([]byte, costSize)...))
}

// settle writes what the current passage costs.
func (b *meteredBody) settle() {
	if p := b.passage(); p.at == 0 {
		b.entryCost = uint32(p.cost)
	} else {
		putCost(b.out[p.at:], uint32(p.cost))
	}
}

func (b *meteredBody) openLoop(sig signature) {
	b.r.limit("loops in each other", uint64(len(b.loops)), maxLoops)
	first := b.plain && b.covers == 0
	b.loops = append(b.loops, passage{})
	b.charge(b.passage())
	if sig.params == 0 {
		b.out = b.w.checkAgain(b.out)
	} else { // what goes back would have to take the parameters along
		b.out = b.w.check(b.out)
	}
	if first {
		b.covers = b.passage().at
	}
}

// entry is the code that charges for the function itself: a loop whose only way back is that of new fuel.
func (b *meteredBody) entry(fn uint32) []byte {
	switch {
	case b.w.leaves[fn] != 0:
		return nil
	case b.covers != 0 && b.entryCost <= maxCovered:
		putCost(b.out[b.covers:], getCost(b.out[b.covers:])+b.entryCost)
		return nil
	}
	return append(b.w.checkAgain(b.w.charge([]byte{opLoop, typeEmpty}, b.entryCost)), opEnd)
}

// maxEntry is more than an entry costs: a function's locals, the straight code behind it, and what one instruction moves. What has got new fuel pays an
// entry once more, so there must be some left for what follows, or it would ask for ever.
const maxEntry = maxLocals + maxStraight + maxParams

const _ = uint(slice - 2*maxEntry)
