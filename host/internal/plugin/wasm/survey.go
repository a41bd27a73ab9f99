package wasm

// survey reads all code once before it is written: which functions are leaves, which helpers and references are needed.
func (w *rewriter) survey(code, data section) error {
	w.leaves = make([]uint32, len(w.funcs))
	w.declared = make([]bool, len(w.funcs))
	w.references = map[uint32]uint32{}
	if data.end != 0 {
		w.segmentSizes(data.reader())
	}
	if code.end == 0 {
		return nil
	}
	leaves := make([]uint32, len(w.funcs))
	r := code.reader()
	n := r.count()
	b := &meteredBody{w: w, survey: true}
	for i := 0; i < min(n, w.own()) && r.err == nil; i++ {
		at := r.pos + 1
		content := r.take(r.u32())
		b.r = &reader{b: content, base: r.base + at}
		fn := w.imported + uint32(i)
		b.write(nil, fn)
		if b.leaf && b.r.err == nil && b.entryCost <= maxLeaf {
			leaves[fn] = b.entryCost
			w.indirect = max(w.indirect, b.entryCost)
		}
	}
	w.leaves = leaves
	r = code.reader()
	r.limit("functions that are referred to", uint64(len(w.referenced)), maxReferenced)
	return r.err // what else is wrong is found, and told, when the code is written
}

// maxReferenced bounds the globals that the meter adds; chosen: no compiler at hand writes a single ref.func.
const maxReferenced = 1 << 14

// segmentSizes reads how large each data segment is. What cannot be read is told when it is written.
func (w *rewriter) segmentSizes(r *reader) {
	for range r.count() {
		switch flag := r.u32(); flag {
		case 0:
			w.expression(r, nil)
		case 2:
			r.u32()
			w.expression(r, nil)
		}
		size := r.u32()
		r.take(size)
		if r.err != nil {
			return
		}
		w.segments = append(w.segments, size)
	}
}

// segment is the size of a data segment. wazero lets memory.init read active ones as well.
func (w *rewriter) segment(n uint32) uint32 {
	if uint64(n) >= uint64(len(w.segments)) {
		return 0
	}
	return w.segments[n]
}
