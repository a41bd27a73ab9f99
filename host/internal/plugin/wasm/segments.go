package wasm

import (
	"strings"
	"unicode"
)

// expression copies a constant expression (WebAssembly 2.0, 3.3.7).
func (w *rewriter) expression(r *reader, out []byte) []byte {
	for r.err == nil {
		start := r.pos
		switch op := r.byte(); op {
		case opEnd:
			return append(out, opEnd)
		case opRefFunc:
			out = appendU32(append(out, opRefFunc), w.function(r, inRefFunc))
			continue
		case opGlobalGet:
			w.global(r)
		case opI32Const:
			r.leb(lebI32)
		case opI64Const:
			r.leb(lebI64)
		case 0x43: // f32.const
			r.take(4)
		case 0x44: // f64.const
			r.take(8)
		case opRefNull:
			r.referenceType()
		case opPrefixFD:
			if r.byte() != 0x0c { // v128.const
				r.foreign("a vector instruction in a constant expression")
			}
			r.take(16)
		default:
			r.foreign("instruction %#x in a constant expression", op)
		}
		out = append(out, r.b[start:r.pos]...)
	}
	return nil
}

func (r *reader) referenceType() byte {
	t := r.byte()
	if t != 0x70 && t != 0x6f {
		r.foreign("reference type %#x", t)
	}
	return t
}

// elements copies the element segments (WebAssembly 2.0, 5.5.12). A segment's flag has three bits: it is not active, it names its table or is
// declarative, it lists expressions instead of functions.
func (w *rewriter) elements(r *reader, out []byte, n int) []byte {
	total := uint64(0)
	for range n {
		flag := r.u32()
		if flag > 7 {
			r.foreign("element segment %d", flag)
		}
		passive, named, expressions := flag&1 != 0, flag&2 != 0, flag&4 != 0
		out = appendU32(out, flag)
		if !passive {
			if named {
				out = appendU32(out, r.u32())
			}
			out = w.expression(r, out)
		}
		switch {
		case expressions && (passive || named):
			out = append(out, r.referenceType())
		case passive || named:
			kind := r.byte()
			if kind != 0 {
				r.foreign("an element segment's kind %d", kind)
			}
			out = append(out, kind)
		}
		members := r.count()
		total += uint64(members)
		r.limit("elements in segments", total, maxTableElements) // the host has some 50 bytes for each
		out = appendU32(out, uint32(members))
		for range members {
			if expressions {
				out = w.expression(r, out)
			} else {
				out = appendU32(out, w.function(r, inElement))
			}
			if r.err != nil {
				return nil
			}
		}
	}
	return out
}

// Parts of the name section that tell a stack's frames (WebAssembly 2.0, appendix "Name Section").
const (
	namesModule    = 0
	namesFunctions = 1
)

// names writes the module's and the functions' names. A section that makes no sense is left out, as it would not be a reason to refuse the module.
func (w *rewriter) names(out []byte, s section) []byte {
	body := appendU32(nil, 4)
	body = append(body, "name"...)
	r := s.reader()
	for r.err == nil && r.left() > 0 {
		id := r.byte()
		size := r.u32()
		part := &reader{b: r.take(size)}
		switch {
		case r.err != nil:
		case id == namesModule:
			name := part.text()
			if part.done() == nil {
				body = appendSection(body, id, appendName(nil, name))
			}
		case id == namesFunctions:
			if functions := w.functionNames(part); functions != nil {
				body = appendSection(body, id, functions)
			}
		}
	}
	if r.err != nil {
		return out
	}
	return appendSection(out, secCustom, body)
}

// maxName is how many bytes of a name get into a fault's stack; chosen: the longest of the Go guests at hand are some 100.
const maxName = 128

// appendName writes a name that may go to a terminal.
func appendName(out []byte, name string) []byte {
	name = strings.ToValidUTF8(name[:min(len(name), maxName)], "")
	name = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, name)
	return append(appendU32(out, uint32(len(name))), name...)
}

func (w *rewriter) functionNames(r *reader) []byte {
	n := r.count()
	out := appendU32(nil, uint32(n))
	for range n {
		index := w.function(r, inNames)
		name := r.text()
		if r.err != nil {
			return nil
		}
		out = appendName(appendU32(out, index), name)
	}
	if r.done() != nil {
		return nil
	}
	return out
}
