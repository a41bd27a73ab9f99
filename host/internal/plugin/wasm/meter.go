package wasm

import (
	"fmt"
)

// The meter is a pass over a module before it is compiled, after which the module stops by itself. It adds one global, the fuel, and one import,
// refuel. At the entry of each function, in the header of each loop and within long straight code the code takes from the fuel what the instructions
// that follow cost (passage.go, cost.go), and calls refuel when there is none left; so all code that runs was paid for. refuel is where the host ends
// a call that ran too long, and where the Go scheduler gets its turn. What would cost the host more than it costs the guest is rewritten: bulk
// operations are done in pieces (bulk.go), references to functions are made once, and the start function becomes an export that the host calls.
//
// Whatever cannot be parsed is refused and never run unmetered. What parses is still validated by wazero, with the additions in it: all the
// meter has to be sure of is that no index of the guest means one of the additions (they are checked against the original counts) and that wazero
// cuts the code into the same instructions.

// meterModule is the module of the import that the meter adds, startName the export that is the start function. A guest that names one is refused.
const (
	meterModule = "weir_meter"
	refuelName  = "refuel"
	startName   = "weir_meter_start"
)

// place is where a function index stands. All must be renumbered, since the import moves the module's own functions up by one.
type place uint8

const (
	inCall place = 1 << iota
	inRefFunc
	inElement
	inExport
	inStart
	inNames
)

// rewriter is one module on its way through the meter.
type rewriter struct {
	*layout
	fuel   []byte // index of the global, encoded
	refuel uint32 // index of the function
	bulk   piecewise
	leaves []uint32 // for each function: what a call of it costs because it does not charge by itself; 0 for all others

	indirect   uint32 // the most of leaves
	segments   []uint32
	references map[uint32]uint32 // for each function that code refers to: the global with the reference
	referenced []uint32          // those functions in the order of the globals
	declared   []bool            // functions that code may refer to (WebAssembly 2.0, 3.4.10)
	start      []byte            // entry of the export of the start function; nil: none
	toil       uint64            // of the functions so far
	tangled    uint64            // the most knots of one function

	growTables bool  // leaves the tables' maxima as they are, for comparison with the unmetered module
	still      place // indices that are not renumbered, to see that somebody notices
}

// meter gives a copy of the module that stops by itself.
func meter(module []byte) ([]byte, error) { return (&rewriter{}).rewrite(module) }

func (w *rewriter) rewrite(module []byte) ([]byte, error) {
	out, err := w.sections(module)
	if err != nil {
		return nil, fmt.Errorf("meter module: %w", err)
	}
	return out, nil
}

func (s section) reader() *reader { return &reader{b: s.body, base: s.end - len(s.body)} }

// finish fails unless the section was read to its end.
func (s section) finish(r *reader) error {
	if err := r.done(); err != nil {
		return fmt.Errorf("section %d: %w", s.id, err)
	}
	return nil
}

func (w *rewriter) sections(module []byte) ([]byte, error) {
	all, err := split(module)
	if err != nil {
		return nil, err
	}
	if w.layout, err = lay(all); err != nil {
		return nil, err
	}
	w.fuel, w.refuel = appendU32(nil, w.globals), w.imported
	var byID [len(sectionRank)]section
	var custom []section
	for _, s := range all {
		if s.id == secCustom {
			custom = append(custom, s)
		} else {
			byID[s.id] = s
		}
	}
	out := make([]byte, 0, len(module)+len(module)/16+256)
	out = append(out, header...)
	if err := w.survey(byID[secCode], byID[secData]); err != nil {
		return nil, err
	}
	if err := w.startFunction(byID[secStart]); err != nil {
		return nil, err
	}
	for _, id := range sectionOrder {
		s := byID[id]
		if s.id == 0 {
			s.id = id // absent: empty, for what the meter adds
		}
		body, err := w.section(s, s.end != 0, byID[secDataCount].end == 0)
		if err != nil {
			return nil, err
		}
		if body != nil {
			out = appendSection(out, id, body)
		}
	}
	for _, s := range custom {
		if s.name == "name" {
			return w.names(out, s), nil // wazero takes one
		}
	}
	return out, nil
}

var sectionOrder = [...]byte{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secElement, secDataCount, secCode, secData}

// section gives a section's new content, nil for none. Without a count of them, no code may refer to a data segment (WebAssembly 2.0, 5.5.16).
func (w *rewriter) section(s section, present, uncounted bool) ([]byte, error) {
	additions := w.additions(s.id)
	if !present && len(additions) == 0 {
		return nil, nil
	}
	r := s.reader()
	var body []byte
	n := 0
	if present && s.id != secDataCount {
		n = r.count()
	}
	if s.id != secData {
		body = appendU32(body, uint32(n+len(additions)))
	}
	switch s.id {
	case secTable:
		body = w.tables(r, body, n)
	case secGlobal:
		for range n {
			body = append(body, r.valueType(), r.byte())
			body = w.expression(r, body)
		}
	case secExport:
		body = w.exports(r, body, n)
	case secElement:
		body = w.elements(r, body, n)
	case secDataCount:
		body = appendU32(nil, r.u32())
		if r.err != nil { // wazero reads 0 then
			r.err = nil
			r.foreign("a count of data segments that is cut short")
		}
	case secCode:
		body = w.code(r, body, n)
	case secData:
		body = w.data(r, n, uncounted)
	default:
		body = append(body, r.take(uint32(r.left()))...) // checked by lay, or by wazero and without indices
	}
	if err := s.finish(r); err != nil {
		return nil, err
	}
	for _, a := range additions {
		body = append(body, a...)
	}
	return body, nil
}

// additions are what the meter puts at the end of a section. A module without code of its own needs none.
func (w *rewriter) additions(id byte) [][]byte {
	if id == secExport && w.start != nil {
		return [][]byte{w.start}
	}
	if w.own() == 0 {
		return nil
	}
	switch id {
	case secType:
		return [][]byte{{0x60, 0, 1, typeI32}, {0x60, 3, typeI32, typeI32, typeI32, 0}} // refuel's, the helpers'
	case secImport:
		entry := appendU32(nil, uint32(len(meterModule)))
		entry = append(entry, meterModule...)
		entry = appendU32(entry, uint32(len(refuelName)))
		entry = append(entry, refuelName...)
		return [][]byte{appendU32(append(entry, 0), uint32(len(w.types)))}
	case secFunction:
		return w.bulk.types(w)
	case secGlobal:
		return w.addedGlobals()
	case secCode:
		return w.bulk.bodies(w)
	}
	return nil
}

// addedGlobals are the fuel and the references.
func (w *rewriter) addedGlobals() [][]byte {
	all := [][]byte{{typeI32, 1, opI32Const, 0, opEnd}}
	for _, fn := range w.referenced {
		all = append(all, append(appendU32([]byte{typeFunc, 0, opRefFunc}, w.renumber(fn, inRefFunc)), opEnd))
	}
	return all
}

// startFunction makes an export of the start function, so that the host calls it when it can bound its stack.
func (w *rewriter) startFunction(s section) error {
	if s.end == 0 {
		return nil
	}
	r := s.reader()
	index := r.u32()
	if uint64(index) >= uint64(len(w.funcs)) {
		r.fail("function %d does not exist", index)
	} else if w.signature(index) != (signature{}) {
		r.fail("the start function has parameters or results")
	}
	w.start = append(appendU32(nil, uint32(len(startName))), startName...)
	w.start = appendU32(append(w.start, 0), w.renumber(index, inStart))
	return s.finish(r)
}

// function reads a function's index and gives the new one.
func (w *rewriter) function(r *reader, at place) uint32 {
	index := r.u32()
	if uint64(index) >= uint64(len(w.funcs)) {
		r.fail("function %d does not exist", index)
	} else if at&(inRefFunc|inElement|inExport) != 0 {
		w.declared[index] = true
	}
	return w.renumber(index, at)
}

func (w *rewriter) renumber(index uint32, at place) uint32 {
	if index >= w.imported && w.own() > 0 && w.still&at == 0 {
		index++
	}
	return index
}

// global reads a global's index, which stays what it is.
func (w *rewriter) global(r *reader) uint32 {
	index := r.u32()
	if index >= w.globals {
		r.fail("global %d does not exist", index)
	}
	return index
}

// tables makes each table's size its maximum, since nothing else bounds table.grow, whose elements are the host's memory.
func (w *rewriter) tables(r *reader, out []byte, n int) []byte {
	for range n {
		start := r.pos
		l := r.table()
		if r.err != nil {
			return nil
		}
		if w.growTables {
			out = append(out, r.b[start:r.pos]...)
			continue
		}
		out = append(out, r.b[start], 1)
		out = appendU32(appendU32(out, l.min), l.min)
	}
	return out
}

func (w *rewriter) exports(r *reader, out []byte, n int) []byte {
	for range n {
		start := r.pos
		if r.text() == startName {
			r.fail("it exports %s, which is the host's own: %w", startName, errLimit)
		}
		kind := r.byte()
		out = append(out, r.b[start:r.pos]...)
		switch kind {
		case 0:
			out = appendU32(out, w.function(r, inExport))
		case 1, 2:
			out = appendU32(out, r.u32())
		case 3:
			out = appendU32(out, w.global(r))
		default:
			r.foreign("an export's kind %d", kind)
		}
		if r.err != nil {
			return nil
		}
	}
	return out
}
