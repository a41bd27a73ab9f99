package wasm

import (
	"fmt"
	"strings"

	"github.com/weir-media/weir/abi/v1"
)

// Report is what a module says of itself, read without running any of it. Its slices are the caller's, but Manifest is a view of the module.
type Report struct {
	Imports  []Symbol
	Exports  []Symbol
	ABI      int    // major version of the marker export weir_abi_N; 0 without one
	Manifest []byte // plugin.yaml from the custom section weir.manifest; nil without one
	Size     int    // bytes of the module
	Memory   Memory // the module's own memory; zero without one

	memories  int
	manifests int
	marked    bool // it exports a marker, be it that of version 0
	tables    []limits
}

// MemoryPage is the unit in which WebAssembly counts memory, in bytes.
const MemoryPage = 64 << 10

// Memory is a module's claim of linear memory in bytes. Max is 0 when the module states none.
type Memory struct{ Min, Max uint64 }

// Symbol is one import or export.
type Symbol struct {
	Module string // imports only
	Name   string
	Kind   string // func, table, memory, global
	Type   string // of a func: its signature, e.g. "(i32, i32) -> i64"
}

// String is the symbol as a line of `weir plugin inspect`.
func (s Symbol) String() string {
	name := s.Name
	if s.Module != "" {
		name = s.Module + "." + name
	}
	return strings.TrimSpace(s.Kind + " " + name + s.Type)
}

type limits struct {
	min, max uint32
	hasMax   bool
}

// types is what the signatures of a module are looked up in.
type types struct {
	signatures []string
	funcs      []uint32 // type index of each function, imported ones first
}

func (t *types) signature(fn uint32) (string, bool) {
	if uint64(fn) >= uint64(len(t.funcs)) || uint64(t.funcs[fn]) >= uint64(len(t.signatures)) {
		return "", false
	}
	return t.signatures[t.funcs[fn]], true
}

// Inspect reads a module. It fails only for bytes that are not a well-formed module; whether a plugin may be what it is, Report.Judge says.
func Inspect(module []byte) (Report, error) {
	report := Report{Size: len(module)}
	sections, err := split(module)
	if err != nil {
		return report, fmt.Errorf("inspect module: %w", err)
	}
	var t types
	for _, s := range sections {
		r := &reader{b: s.body, base: s.end - len(s.body)}
		switch s.id {
		case secCustom:
			if s.name == abi.ManifestSection {
				report.Manifest = s.body
				report.manifests++
			}
			continue
		case secType:
			t.readTypes(r)
		case secImport:
			report.readImports(r, &t)
		case secFunction:
			for range r.count() {
				t.funcs = append(t.funcs, r.u32())
			}
		case secTable:
			for range r.count() {
				report.tables = append(report.tables, r.table())
			}
		case secMemory:
			for range r.count() {
				report.addMemory(r.limits())
			}
		case secExport:
			report.readExports(r, &t)
		default:
			continue // wazero validates what is not judged here
		}
		if err := r.done(); err != nil {
			return report, fmt.Errorf("inspect module: section %d: %w", s.id, err)
		}
	}
	report.findMarker()
	return report, nil
}

var valueTypes = map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128", 0x70: "funcref", 0x6f: "externref"}

// readTypes reads the type section (WebAssembly 2.0, 5.5.4).
func (t *types) readTypes(r *reader) {
	for range r.count() {
		if r.byte() != 0x60 {
			r.foreign("a type that is not a function's")
			return
		}
		params := r.valueTypes()
		results := r.valueTypes()
		s := "(" + strings.Join(params, ", ") + ")"
		if len(results) > 0 {
			s += " -> " + strings.Join(results, ", ")
		}
		t.signatures = append(t.signatures, s)
	}
}

func (r *reader) valueTypes() []string {
	var all []string
	for range r.count() {
		name, ok := valueTypes[r.byte()]
		if !ok {
			r.foreign("a value type")
			return nil
		}
		all = append(all, name)
	}
	return all
}

// limits reads the bounds of a table or memory (WebAssembly 2.0, 5.3.8). Shared and 64-bit memories have other flags and fail.
func (r *reader) limits() limits {
	var l limits
	switch flag := r.byte(); flag {
	case 0:
		l.min = r.u32()
	case 1:
		l.hasMax = true
		l.min, l.max = r.u32(), r.u32()
		if l.max < l.min {
			r.fail("a maximum is less than its minimum")
		}
	default:
		r.foreign("limits' flag %d", flag)
	}
	return l
}

func (r *reader) table() limits {
	if t := r.byte(); t != 0x70 && t != 0x6f {
		r.foreign("a table's type")
	}
	return r.limits()
}

var kinds = [...]string{"func", "table", "memory", "global"}

// readImports reads the import section (WebAssembly 2.0, 5.5.5).
func (report *Report) readImports(r *reader, t *types) {
	for range r.count() {
		s := Symbol{Module: r.text(), Name: r.text()}
		kind := r.byte()
		switch kind {
		case 0:
			fn := uint32(len(t.funcs))
			t.funcs = append(t.funcs, r.u32())
			s.Type, _ = t.signature(fn)
		case 1:
			report.tables = append(report.tables, r.table())
		case 2:
			r.limits()
			report.memories++
		case 3:
			_, _ = r.byte(), r.byte() // value type, mutability
		default:
			r.foreign("an import's kind %d", kind)
		}
		if r.err != nil {
			return
		}
		s.Kind = kinds[kind]
		report.Imports = append(report.Imports, s)
	}
}

// readExports reads the export section (WebAssembly 2.0, 5.5.10).
func (report *Report) readExports(r *reader, t *types) {
	for range r.count() {
		s := Symbol{Name: r.text()}
		kind, index := r.byte(), r.u32()
		if int(kind) >= len(kinds) {
			r.foreign("an export's kind %d", kind)
		}
		if r.err != nil {
			return
		}
		s.Kind = kinds[kind]
		if kind == 0 {
			var ok bool
			if s.Type, ok = t.signature(index); !ok {
				r.fail("export %q names a function that does not exist", s.Name)
				return
			}
		}
		report.Exports = append(report.Exports, s)
	}
}

func (report *Report) addMemory(l limits) {
	report.memories++
	report.Memory = Memory{Min: uint64(l.min) * MemoryPage}
	if l.hasMax {
		report.Memory.Max = uint64(l.max) * MemoryPage
	}
}
