package wasm

import (
	"bytes"
	"slices"
	"testing"

	"github.com/weir-media/weir/abi/v1"
)

// Signatures of the hand-made modules, by their type index.
const (
	sigNone   = iota // ()
	sigAnswer        // () -> i32
	sigBuf           // (i32) -> i64
	sigCall          // (i32) -> i32
	sigLog           // (i32, i32, i32)
	sigPair          // (i32, i32) -> i32
	sigExit          // (i32)
	sigFour          // (i32, i32, i32, i32) -> i32
)

var signatureBytes = [][]byte{
	sigNone:   {0x60, 0, 0},
	sigAnswer: {0x60, 0, 1, 0x7f},
	sigBuf:    {0x60, 1, 0x7f, 1, 0x7e},
	sigCall:   {0x60, 1, 0x7f, 1, 0x7f},
	sigLog:    {0x60, 3, 0x7f, 0x7f, 0x7f, 0},
	sigPair:   {0x60, 2, 0x7f, 0x7f, 1, 0x7f},
	sigExit:   {0x60, 1, 0x7f, 0},
	sigFour:   {0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f},
}

// Places of the boxes in the hand-made modules.
const (
	inboxAt   = 1 << 16
	inboxSize = abi.MinInbox
	outboxAt  = inboxAt + inboxSize
)

type testImport struct {
	module, name string
	sig          byte
}

type testFunc struct {
	sig    byte
	locals []byte // as in the binary; nil: none
	body   []byte // without the end
	export string
}

// testModule is a module under construction. Function indices count imports first.
type testModule struct {
	imports  []testImport
	funcs    []testFunc
	memory   []byte // limits
	table    []byte // type and limits; nil: none
	start    int    // function index, 0: none
	hide     string // an export to leave out
	rename   map[string]string
	extra    []byte // sections behind the code
	elements []byte // of the section; nil: none
	counted  byte   // data segments, for memory.init; 0: no section says how many
	bare     bool   // no manifest
}

// plugin makes a well-formed plugin whose weir_call has that body; its functions follow the imports in the order marker, buf, call, then more.
func newPlugin(call []byte, more ...testFunc) *testModule {
	m := &testModule{memory: []byte{0, 8}}
	m.funcs = append([]testFunc{
		{sig: sigAnswer, body: i32Const(0), export: abi.MarkerExport},
		{sig: sigBuf, export: abi.BufferExport, body: bufBody(inboxAt, inboxSize)},
		{sig: sigCall, export: abi.CallExport, body: call},
	}, more...)
	return m
}

// bufBody answers the outbox (64 KiB) for kind 1, else the given inbox.
func bufBody(at, size uint64) []byte {
	b := []byte{0x20, 0, 0x04, 0x7e} // local.get 0; if (result i64)
	b = append(b, i64Const(outboxAt<<32|1<<16)...)
	b = append(append(b, 0x05), i64Const(int64(at<<32|size))...)
	return append(b, 0x0b)
}

func (m *testModule) bytes() []byte {
	out := slices.Clone(header)
	out = appendSection(out, secType, vector(signatureBytes))
	if len(m.imports) > 0 {
		var all [][]byte
		for _, i := range m.imports {
			all = append(all, slices.Concat(name(i.module), name(i.name), []byte{0, i.sig}))
		}
		out = appendSection(out, secImport, vector(all))
	}
	var sigs, exports, codes [][]byte
	for i, f := range m.funcs {
		sigs = append(sigs, []byte{f.sig})
		if f.export != "" {
			exports = append(exports, m.export(f.export, 0, uint32(len(m.imports)+i))...)
		}
		locals := f.locals
		if locals == nil {
			locals = []byte{0}
		}
		body := slices.Concat(locals, f.body, []byte{0x0b})
		codes = append(codes, append(appendU32(nil, uint32(len(body))), body...))
	}
	out = appendSection(out, secFunction, vector(sigs))
	if m.table != nil {
		out = appendSection(out, secTable, vector([][]byte{m.table}))
	}
	if m.memory != nil {
		out = appendSection(out, secMemory, vector([][]byte{m.memory}))
		exports = append(exports, m.export("memory", 2, 0)...)
	}
	out = appendSection(out, secExport, vector(exports))
	if m.start != 0 {
		out = appendSection(out, secStart, appendU32(nil, uint32(m.start)))
	}
	if m.elements != nil {
		out = appendSection(out, secElement, m.elements)
	}
	if m.counted > 0 {
		out = appendSection(out, secDataCount, []byte{m.counted})
	}
	out = append(appendSection(out, secCode, vector(codes)), m.extra...)
	if m.bare {
		return out
	}
	return WithManifest(out, []byte(testManifest))
}

func (m *testModule) export(n string, kind byte, index uint32) [][]byte {
	if n == m.hide {
		return nil
	}
	if other, ok := m.rename[n]; ok {
		n = other
	}
	return [][]byte{appendU32(append(name(n), kind), index)}
}

const testManifest = `
name: sinner
version: 0.1.0
abi: "1.0"
roles: [control]
summary: a module of the carrier's tests
`

func vector(all [][]byte) []byte {
	return append(appendU32(nil, uint32(len(all))), slices.Concat(all...)...)
}

func name(s string) []byte { return append(appendU32(nil, uint32(len(s))), s...) }

func i32Const(v int32) []byte { return appendSLEB([]byte{0x41}, int64(v)) }
func i64Const(v int64) []byte { return appendSLEB([]byte{0x42}, v) }

// call is a call of the function with that index.
func callOf(index byte) []byte { return []byte{opCall, index} }

// Bodies of weir_call.
var (
	// bodyEcho copies the inbox to the outbox and answers the length.
	bodyEcho = slices.Concat(i32Const(outboxAt), i32Const(inboxAt), []byte{0x20, 0, 0xfc, 0x0a, 0, 0, 0x20, 0})
	bodyTrap = []byte{0x00}
	bodySpin = []byte{opLoop, typeEmpty, 0x0c, 0, opEnd, 0x00} // loop: br 0
	bodyZero = i32Const(0)
	// bodyGrow grows memory by 16 pages until that is refused, then traps.
	bodyGrow = slices.Concat([]byte{opLoop, typeEmpty}, i32Const(16), []byte{0x40, 0}, i32Const(-1), []byte{0x47, 0x0d, 0, opEnd, 0x00})
)

// fib is (n i32) -> i32 { return n < 2 ? n : fib(n-1) + fib(n-2) }: work without a loop.
func fib(self byte) testFunc {
	body := []byte{0x20, 0}
	body = append(body, i32Const(2)...)
	body = append(body, 0x48, 0x04, 0x7f, 0x20, 0, 0x05) // i32.lt_s; if (result i32); local.get 0; else
	for n := int32(1); n <= 2; n++ {
		body = append(body, 0x20, 0)
		body = append(body, i32Const(n)...)
		body = append(body, 0x6b) // i32.sub
		body = append(body, callOf(self)...)
	}
	return testFunc{sig: sigCall, body: append(body, 0x6a, 0x0b)}
}

// wideType is a type of so many parameters and results.
func wideType(params, results int, of byte) []byte {
	b := append(appendU32([]byte{0x60}, uint32(params)), bytes.Repeat([]byte{of}, params)...)
	return append(appendU32(b, uint32(results)), bytes.Repeat([]byte{of}, results)...)
}

// withTypes adds to the types of the hand-made modules.
func withTypes(t *testing.T, more ...[]byte) (first byte) {
	t.Helper()
	old := signatureBytes
	signatureBytes = append(slices.Clone(signatureBytes), more...)
	t.Cleanup(func() { signatureBytes = old })
	return byte(len(old))
}
