package wasm

// Bounds of a function, those that browsers share (WebAssembly JavaScript Interface, "Limits"). wazero allocates what a module states.
const (
	maxParams  = 1000
	maxResults = 1000
	maxLocals  = 50_000
	maxGlobals = 1_000_000
)

// signature is how many values a function takes and gives.
type signature struct{ params, results uint32 }

// layout is how many of what a module has, before the meter adds its own.
type layout struct {
	types    []signature
	funcs    []uint32 // type index of each function, imported ones first
	imported uint32   // of the functions
	globals  uint32
}

// own is how many functions the module brings along itself.
func (l *layout) own() int { return len(l.funcs) - int(l.imported) }

func (l *layout) signature(fn uint32) signature { return l.types[l.funcs[fn]] }

// lay reads the sections that say how many types, functions and globals there are.
func lay(sections []section) (*layout, error) {
	l := &layout{}
	for _, s := range sections {
		r := s.reader()
		switch s.id {
		case secType:
			l.readTypes(r)
		case secImport:
			l.readImports(r)
		case secFunction:
			for range r.count() {
				l.addFunc(r)
			}
		case secGlobal:
			l.globals += uint32(r.count())
			r.limit("globals", uint64(l.globals), maxGlobals)
			if r.err != nil {
				return nil, r.err
			}
			continue // their values are read when they are written
		default:
			continue
		}
		if err := s.finish(r); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *layout) readTypes(r *reader) {
	for range r.count() {
		if r.byte() != 0x60 {
			r.foreign("a type that is not a function's")
			return
		}
		params := r.valueTypeCount()
		results := r.valueTypeCount()
		r.limit("parameters", uint64(params), maxParams)
		r.limit("results", uint64(results), maxResults)
		l.types = append(l.types, signature{params, results})
	}
}

func (r *reader) valueTypeCount() uint32 {
	n := r.count()
	for range n {
		r.valueType()
	}
	return uint32(n)
}

// valueType reads one value type (WebAssembly 2.0, 5.3.4).
func (r *reader) valueType() byte {
	c := r.byte()
	if _, ok := valueTypes[c]; !ok {
		r.foreign("value type %#x", c)
	}
	return c
}

// addFunc reads a function's type.
func (l *layout) addFunc(r *reader) {
	index := r.u32()
	if uint64(index) >= uint64(len(l.types)) {
		r.fail("type %d does not exist", index)
		return
	}
	l.funcs = append(l.funcs, index)
}

func (l *layout) readImports(r *reader) {
	for range r.count() {
		module := r.text()
		r.text()
		if module == meterModule {
			r.fail("it imports from %s, which is the host's own", meterModule)
		}
		switch kind := r.byte(); kind {
		case 0:
			l.addFunc(r)
			l.imported++
		case 1:
			r.table()
		case 2:
			r.limits()
		case 3:
			_, _ = r.valueType(), r.byte()
			l.globals++
		default:
			r.foreign("an import's kind %d", kind)
		}
		if r.err != nil {
			return
		}
	}
}
