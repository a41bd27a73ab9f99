package wasm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FuzzMeter wants the meter to take every module that wazero takes, or to name the limit that the module passes; what it gives has to be valid; and it
// may not panic, whatever it is fed. Half of the inputs are cut and joined from valid modules, so that many of them are valid too.
func FuzzMeter(f *testing.F) {
	var small [][]byte
	for _, path := range specFiles(f, "v1/testdata/*.wasm", "v2/testdata/*.wasm") {
		module, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(module) <= 2<<10 {
			small = append(small, module)
		}
	}
	for i, module := range small {
		if i%32 == 0 { // all of them take a minute before the first new input
			f.Add(module, uint64(0))
			f.Add(module, uint64(i+1))
		}
	}
	f.Add(newPlugin(bodyEcho, fib(3)).bytes(), uint64(7))
	for _, m := range runaways() {
		f.Add(m.bytes(), uint64(0))
	}
	f.Fuzz(func(t *testing.T, module []byte, seed uint64) {
		if seed != 0 {
			module = mutated(module, small, seed)
		}
		checkMeter(t, module)
	})
}

func checkMeter(t *testing.T, module []byte) {
	t.Helper()
	for _, growTables := range []bool{false, true} {
		w := rewriter{growTables: growTables}
		metered, err := w.rewrite(module)
		if errors.Is(err, errVersion) || errors.Is(err, errLimit) || errors.Is(err, errShort) {
			return // the last would have wazero end the process: a list of 2^32 functions is 160 GB before it looks for the first
		}
		if err != nil && greedy(module) {
			return
		}
		invalid := validate(t, withoutNames(module))
		switch {
		case invalid == nil && err != nil:
			t.Fatalf("wazero takes it, the meter does not: %v", err)
		case err != nil:
			return
		}
		if got := validate(t, metered); errors.Is(got, errPanic) || (got == nil) != (invalid == nil) {
			t.Fatalf("plain: %v, metered: %v", invalid, got)
		}
		if len(metered) > 64*len(module)+1024 {
			t.Fatalf("%d bytes became %d", len(module), len(metered))
		}
	}
}

// greedy reports whether wazero might allocate more for an invalid module than the machine has before it says so: whether there is a number in it,
// outside of the code of functions, of 2^14 or more.
func greedy(module []byte) bool {
	sections, err := split(module)
	if err != nil {
		return hasLargeNumber(module)
	}
	for _, s := range sections {
		r := s.reader()
		if s.id != secCode {
			if hasLargeNumber(s.body) {
				return true
			}
			continue
		}
		n := r.count()
		if r.err != nil {
			return true
		}
		for range n {
			body := &reader{b: r.take(r.u32())}
			start := body.pos
			for range body.count() {
				_, _ = body.u32(), body.byte()
			}
			if r.err != nil || body.err != nil || hasLargeNumber(body.b[start:body.pos]) {
				return true
			}
		}
	}
	return false
}

func hasLargeNumber(b []byte) bool {
	for i := range b {
		if i > 0 && b[i] >= 0x80 && b[i-1] >= 0x80 {
			return true
		}
	}
	return false
}

var errPanic = errors.New("wazero panics")

// validate asks wazero whether a module is one. Its interpreter compiles faster, and validates the same.
func validate(t *testing.T, module []byte) (err error) {
	t.Helper()
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("%w: %v", errPanic, caught)
		}
	}()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false))
	defer r.Close(t.Context())
	_, err = r.CompileModule(t.Context(), module)
	return err
}

// withoutNames leaves the custom sections out. wazero refuses a module for its names, which by the specification do not matter.
func withoutNames(module []byte) []byte {
	sections, err := split(module)
	if err != nil {
		return module
	}
	out := slices.Clone(header)
	for _, s := range sections {
		if s.id != secCustom {
			out = append(out, module[s.start:s.end]...)
		}
	}
	return out
}

// mutated changes a module in ways that often leave it valid: sections, functions and instructions of others take the places of its own.
func mutated(module []byte, others [][]byte, seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the seed is the input
	for range 1 + random.IntN(4) {
		sections, err := split(module)
		if err != nil || len(sections) == 0 {
			return module
		}
		at := random.IntN(len(sections))
		s := sections[at]
		body := slices.Clone(s.body)
		switch random.IntN(5) {
		case 0: // another module's section
			other, err := split(others[random.IntN(len(others))])
			if err != nil {
				continue
			}
			for _, o := range other {
				if o.id == s.id && s.id != secCustom {
					body = o.body
				}
			}
		case 1: // another number
			if len(body) > 0 {
				body[random.IntN(len(body))] = byte(random.IntN(1 << random.IntN(9)))
			}
		case 2: // more code
			if s.id == secCode {
				body = withCode(body, random)
			}
		case 3: // less
			if len(body) > 1 {
				from := random.IntN(len(body))
				body = slices.Delete(body, from, min(len(body), from+1+random.IntN(4)))
			}
		case 4: // a part again
			if len(body) > 1 {
				from := random.IntN(len(body))
				to := min(len(body), from+1+random.IntN(8))
				body = slices.Insert(body, random.IntN(len(body)), slices.Clone(body[from:to])...)
			}
		}
		if s.id == secCustom {
			body = slices.Concat(name(s.name), body)
		}
		module = slices.Concat(module[:s.start], appendSection(nil, s.id, body), module[s.end:])
	}
	return module
}

// snippets are instructions that leave the stack as it is and mean the same in any function.
var snippets = [][]byte{
	{0x01}, {opLoop, typeEmpty, opEnd}, {opBlock, typeEmpty, opBr, 0, opEnd}, {opI32Const, 1, opIf, typeEmpty, opElse, opEnd}, {opUnreachable},
	{opI32Const, 0, drop}, {opI64Const, 0x7f, drop}, {opReturn}, {opCall, 0}, {opLoop, typeEmpty, opBlock, typeEmpty, opLoop, typeEmpty, opEnd, opEnd, opEnd},
	{opI32Const, 0, opI32Const, 0, opI32Const, 0, opPrefixFC, fcMemoryFill, 0}, {opI32Const, 0, opI32Const, 0, opI32Const, 0, opPrefixFC, fcMemoryCopy, 0, 0},
	{opI32Const, 0, opI32Const, 0, opI32Const, 0, opPrefixFC, fcTableCopy, 0, 0}, {opI32Const, 0, opMemoryGrow, 0, drop}, {opMemorySize, 0, drop},
	{opI32Const, 0, opRefNull, typeFunc, opI32Const, 0, opPrefixFC, fcTableFill, 0}, {opRefFunc, 0, drop}, {opI32Const, 0, opCallIndirect, 0, 0},
	{opGlobalGet, 0, opGlobalSet, 0}, {opLocalGet, 0, opLocalSet, 0}, {opI32Const, 0, opPrefixFD, 0x0f, opPrefixFD, 0x4d, drop},
	{opPrefixFD, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, opPrefixFD, 0x80, 0x01, drop}, {opI32Const, 0, 0x0e, 1, 0, 0},
}

// withCode puts a snippet at the beginning of a function's code.
func withCode(section []byte, random *rand.Rand) []byte {
	r := &reader{b: section}
	n := r.count()
	out := binary.AppendUvarint(nil, uint64(n))
	chosen := random.IntN(n + 1)
	for i := range n {
		body := r.take(r.u32())
		if r.err != nil {
			return section
		}
		if i == chosen {
			f := &reader{b: body}
			for range f.count() {
				_, _ = f.u32(), f.byte()
			}
			if f.err != nil {
				return section
			}
			snippet := snippets[random.IntN(len(snippets))]
			body = bytes.Join([][]byte{body[:f.pos], bytes.Repeat(snippet, 1+random.IntN(3)), body[f.pos:]}, nil)
		}
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	return append(out, section[r.pos:]...)
}
