package wasm

import (
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// TestStubsAreAllOfPreview1 compares our stubs with wazero's real implementation: the same names, the same signatures.
func TestStubsAreAllOfPreview1(t *testing.T) {
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	theirs, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	functions := theirs.ExportedFunctions()
	for name, f := range functions {
		want := "(" + typeNames(f.ParamTypes()) + ")"
		if results := typeNames(f.ResultTypes()); results != "" {
			want += " -> " + results
		}
		if got, ok := hostSignature(wasiModule, name); !ok || got != want {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
	if len(functions) != len(wasiFuncs) {
		t.Errorf("%d stubs; preview1 has %d functions", len(wasiFuncs), len(functions))
	}
}

func typeNames(all []api.ValueType) string {
	var names []string
	for _, v := range all {
		names = append(names, api.ValueTypeName(v))
	}
	return strings.Join(names, ", ")
}

// TestEachStubAnswers calls every stub with arguments of all ones, which are bad pointers where they are pointers.
func TestEachStubAnswers(t *testing.T) {
	for _, f := range wasiFuncs {
		if f.results == "" {
			continue
		}
		m := newPlugin(nil)
		sig := byte(len(signatureBytes))
		signatureBytes = append(signatureBytes, signatureOf(f))
		m.imports = []testImport{{wasiModule, f.name, sig}}
		var body []byte
		for _, c := range f.params {
			if c == 'I' {
				body = append(body, i64Const(-1)...)
			} else {
				body = append(body, i32Const(-1)...)
			}
		}
		m.funcs[2].body = append(append(body, callOf(0)...), 0x41, 0xff, 0x00, 0x71) // i32.const 127; i32.and
		i := instanceOf(t, m, limitsForTests)
		signatureBytes = signatureBytes[:sig]
		answer, fault := i.Call(0, emptyFrame)
		if fault != nil {
			t.Errorf("%s: %+v", f.name, fault)
			continue
		}
		switch e := errno(len(answer)); {
		case e == errnoBadf, e == errnoNosys, e == errnoFault, e == errnoInval:
		case e == errnoSuccess && (f.name == "sched_yield" || f.name == "args_get" || f.name == "environ_get"):
		default:
			t.Errorf("%s answers %d", f.name, e)
		}
	}
}

func signatureOf(f hostFunc) []byte {
	b := append([]byte{0x60}, appendU32(nil, uint32(len(f.params)))...)
	b = append(b, valueTypeList(f.params)...)
	b = append(b, byte(len(f.results)))
	return append(b, valueTypeList(f.results)...)
}
