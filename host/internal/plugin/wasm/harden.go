package wasm

import "fmt"

// Opcodes that harden knows (WebAssembly 2.0, 5.4).
const (
	opBlock        = 0x02
	opLoop         = 0x03
	opEnd          = 0x0b
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opGlobalSet    = 0x24
	typeEmpty      = 0x40
)

// checkpoint is an empty loop. wazero asks in each loop's header whether the guest was told to stop, so a checkpoint at a function's entry makes
// every call of it such a question. Without it functions that call each other for ever, and use no loop, could not be stopped: 30 s over a
// deadline of 100 ms were measured (containment.md).
var checkpoint = []byte{opLoop, typeEmpty, opEnd}

// harden rewrites a module so that its host can hold it: a checkpoint in each function that may recurse, and tables that cannot grow. The module
// must have passed Inspect.
func harden(module []byte) ([]byte, error) {
	sections, err := split(module)
	if err != nil {
		return nil, fmt.Errorf("harden module: %w", err)
	}
	out := make([]byte, 0, len(module)+len(module)/64)
	out = append(out, header...)
	for _, s := range sections {
		r := &reader{b: s.body, base: s.end - len(s.body)}
		var body []byte
		switch s.id {
		case secTable:
			body = fixTables(r)
		case secCode:
			body = addCheckpoints(r)
		default:
			out = append(out, module[s.start:s.end]...)
			continue
		}
		if err := r.done(); err != nil {
			return nil, fmt.Errorf("harden module: section %d: %w", s.id, err)
		}
		out = appendSection(out, s.id, body)
	}
	return out, nil
}

// fixTables makes each table's size its maximum, since nothing else bounds table.grow, whose elements are the host's memory.
func fixTables(r *reader) []byte {
	n := r.count()
	out := appendU32(nil, uint32(n))
	for range n {
		start := r.pos
		l := r.table()
		if r.err != nil {
			return nil
		}
		out = append(out, r.b[start], 1)
		out = appendU32(appendU32(out, l.min), l.min)
	}
	return out
}

// addCheckpoints copies the code section (WebAssembly 2.0, 5.5.13).
func addCheckpoints(r *reader) []byte {
	n := r.count()
	out := make([]byte, 0, len(r.b)+len(r.b)/64+8)
	out = appendU32(out, uint32(n))
	for range n {
		size := r.u32()
		at := r.pos
		body := r.take(size)
		f := &reader{b: body, base: r.base + at}
		for range f.count() { // runs of locals: how many, which type
			_, _ = f.u32(), f.byte()
		}
		if r.err == nil && f.err != nil {
			r.err = f.err
		}
		if r.err != nil {
			return nil
		}
		code := body[f.pos:]
		if !mayCall(code) || entersLoop(code) {
			out = append(appendU32(out, size), body...)
			continue
		}
		out = appendU32(out, size+uint32(len(checkpoint)))
		out = append(out, body[:f.pos]...)
		out = append(out, checkpoint...)
		out = append(out, code...)
	}
	return out
}

// mayCall looks for the bytes of call instructions. It may take an operand for one, which costs a checkpoint too many, but misses none.
func mayCall(code []byte) bool {
	for _, c := range code {
		if c == opCall || c == opCallIndirect {
			return true
		}
	}
	return false
}

// entersLoop reports whether the function cannot but enter a loop before anything else: Go's guests begin so, and need no second question.
func entersLoop(code []byte) bool {
	r := &reader{b: code}
	for r.err == nil && r.left() > 0 {
		switch op := r.byte(); {
		case op == opLoop:
			return true
		case op == opBlock:
			for r.byte() >= 0x80 { // a block's type is one signed LEB128 number
			}
		case op >= opLocalGet && op <= opGlobalSet:
			r.u32()
		default:
			return false
		}
	}
	return false
}
