package wasm

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

func TestInspect(t *testing.T) {
	m := newPlugin(bodyEcho)
	m.imports = []testImport{{abi.HostModule, "log", sigLog}, {wasiModule, "random_get", sigPair}}
	m.memory = []byte{1, 8, 32}
	module := m.bytes()
	report, err := Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	want := Report{
		Imports: []Symbol{
			{Module: "weir_1", Name: "log", Kind: "func", Type: "(i32, i32, i32)"},
			{Module: "wasi_snapshot_preview1", Name: "random_get", Kind: "func", Type: "(i32, i32) -> i32"},
		},
		Exports: []Symbol{
			{Name: "weir_abi_1", Kind: "func", Type: "() -> i32"},
			{Name: "weir_buf", Kind: "func", Type: "(i32) -> i64"},
			{Name: "weir_call", Kind: "func", Type: "(i32) -> i32"},
			{Name: "memory", Kind: "memory"},
		},
		ABI: 1, Manifest: []byte(testManifest), Size: len(module), Memory: Memory{Min: 8 * MemoryPage, Max: 32 * MemoryPage},
	}
	if !slices.Equal(report.Imports, want.Imports) || !slices.Equal(report.Exports, want.Exports) || report.ABI != 1 ||
		!bytes.Equal(report.Manifest, want.Manifest) || report.Size != want.Size || report.Memory != want.Memory {
		t.Errorf("got  %+v\nwant %+v", report, want)
	}
	if err := report.Judge(); err != nil {
		t.Error(err)
	}
	if got := report.Imports[0].String(); got != "func weir_1.log(i32, i32, i32)" {
		t.Errorf("symbol %q", got)
	}
}

func TestRefusals(t *testing.T) {
	plain := func(change func(*testModule)) []byte {
		m := newPlugin(bodyZero)
		change(m)
		return m.bytes()
	}
	importing := func(module, name string, sig byte) []byte {
		return plain(func(m *testModule) { m.imports = []testImport{{module, name, sig}} })
	}
	tests := []struct {
		name   string
		module []byte
		want   string
	}{
		{"empty", nil, "the file is empty"},
		{"no wasm", []byte("\x7fELF"), "not a WebAssembly module"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "component"},
		{"other version", []byte("\x00asm\x02\x00\x00\x00"), "version is not 1"},
		{"no sections", header, "does not export memory memory"},
		{"cut short", plain(func(*testModule) {})[:60], "cut short"},
		{"tag section", append(slices.Clone(header), 13, 1, 0), "section 13 is not part of WebAssembly 2"},
		{"order", append(slices.Clone(header), 3, 1, 0, 1, 1, 0), "out of order"},
		{"rest in section", append(slices.Clone(header), 1, 2, 0, 0), "1 bytes follow"},
		{"long number", append(slices.Clone(header), 1, 0x80, 0x80, 0x80, 0x80, 0x10), "more than 32 bits"},
		{"long list", append(slices.Clone(header), 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f), "longer than its section"},
		{"command", plain(func(m *testModule) { m.rename = map[string]string{"memory": "_start"} }), "_start"},
		{"no memory", plain(func(m *testModule) { m.hide = "memory" }), "does not export memory memory"},
		{"no marker", plain(func(m *testModule) { m.hide = "weir_abi_1" }), "does not export func weir_abi_1() -> i32"},
		{"other ABI", plain(func(m *testModule) { m.rename = map[string]string{"weir_abi_1": "weir_abi_2"} }), "speaks ABI 2; this host speaks 1"},
		{"no weir_buf", plain(func(m *testModule) { m.hide = "weir_buf" }), "does not export func weir_buf(i32) -> i64"},
		{"no weir_call", plain(func(m *testModule) { m.hide = "weir_call" }), "does not export func weir_call(i32) -> i32"},
		{"signature", plain(func(m *testModule) {
			m.rename = map[string]string{"weir_call": "weir_buf", "weir_buf": "weir_call"}
		}), `exports "func weir_buf(i32) -> i32"; wanted is "func weir_buf(i32) -> i64"`},
		{"_initialize", plain(func(m *testModule) {
			m.funcs = append(m.funcs, testFunc{sig: sigAnswer, body: bodyZero, export: "_initialize"})
		}), `exports "func _initialize() -> i32"`},
		{"foreign import", importing("env", "puts", sigCall), "imports env.puts; a plugin may import"},
		{"foreign function", importing(abi.HostModule, "refuel", sigCall), "imports weir_1.refuel;"},
		{"import's signature", importing(abi.HostModule, "log", sigCall), `wanted is the signature "(i32, i32, i32)"`},
		{"wasi's signature", importing(wasiModule, "proc_exit", sigLog), `wanted is the signature "(i32)"`},
		{"unknown wasi", importing(wasiModule, "fd_everything", sigLog), "wasi_snapshot_preview1.fd_everything"},
		{"shared memory", plain(func(m *testModule) { m.memory = []byte{3, 8, 8} }), "flag 3"},
		{"64-bit memory", plain(func(m *testModule) { m.memory = []byte{4, 8} }), "flag 4"},
		{"table", plain(func(m *testModule) { m.table = []byte{0x70, 0, 0x80, 0x80, 0x80, 1} }), "elements; at most 1048576"},
		{"no manifest", plain(func(m *testModule) { m.bare = true }), "no section weir.manifest; build it with `weir plugin build`"},
		{"two manifests", appendSection(plain(func(*testModule) {}), secCustom, append(name(abi.ManifestSection), "x"...)), "2 sections weir.manifest"},
		{"bad manifest", WithManifest(plain(func(*testModule) {}), []byte("name: [")), "manifest:"},
		{"large memory", plain(func(m *testModule) { m.memory = []byte{0, 0xff, 0x7f} }), "begins with 1048512KiB of memory, and has a limit of 64MiB"},
		{"invalid code", plain(func(m *testModule) { m.funcs[2].body = []byte{0x6a} }), "compile module"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, err := Open(t.Context(), Options{Name: "sinner", Module: test.module, Log: slog.New(slog.DiscardHandler)})
			if err == nil {
				g.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), `open plugin "sinner": `) {
				t.Errorf("error %q; want %q in it", err, test.want)
			}
		})
	}
}

func TestManyForeignImportsAreCounted(t *testing.T) {
	m := newPlugin(bodyZero)
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		m.imports = append(m.imports, testImport{"env", n, sigCall})
	}
	report, err := Inspect(m.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Judge(); err == nil || !strings.Contains(err.Error(), "env.e and 2 more") {
		t.Errorf("%v", err)
	}
}

func TestManifestSection(t *testing.T) {
	m := newPlugin(bodyEcho)
	m.bare = true
	bare := m.bytes()
	if _, err := ReadManifest(bare); !errors.Is(err, ErrNoManifest) {
		t.Errorf("bare module: %v", err)
	}
	if _, err := ReadManifest([]byte("no module")); err == nil || errors.Is(err, ErrNoManifest) {
		t.Errorf("no module: %v", err)
	}
	once := WithManifest(bare, []byte("name: first"))
	twice := WithManifest(once, []byte("name: second"))
	for _, c := range []struct {
		module []byte
		want   string
	}{{once, "name: first"}, {twice, "name: second"}} {
		if got, err := ReadManifest(c.module); err != nil || string(got) != c.want {
			t.Errorf("%q, %v; want %q", got, err, c.want)
		}
	}
	if !bytes.HasPrefix(once, bare) || len(twice) != len(once)+1 {
		t.Error("the rest of the module has changed")
	}
	if garbage := []byte("garbage"); !bytes.Equal(WithManifest(garbage, nil), garbage) {
		t.Error("garbage has changed")
	}
}

func TestOpenedGeneration(t *testing.T) {
	module := newPlugin(bodyEcho).bytes()
	first := mustOpen(t, Options{Module: module, Limits: plugin.Limits{LogLines: 7}})
	second := mustOpen(t, Options{Module: module})
	if first.Number() >= second.Number() || first.Hash() != second.Hash() || len(first.Hash()) != 64 || first.Manifest().Name != "sinner" {
		t.Errorf("%d %d %s %s", first.Number(), second.Number(), first.Hash(), second.Hash())
	}
	want := plugin.DefaultLimits()
	if second.Limits() != want {
		t.Errorf("limits %+v", second.Limits())
	}
	want.LogLines = 7
	if first.Limits() != want {
		t.Errorf("limits %+v", first.Limits())
	}
}

func TestManifestsLimits(t *testing.T) {
	module := WithManifest(newPlugin(bodyEcho).bytes(), []byte(testManifest+"limits: {memory: 32MiB, event: 9s}\n"))
	if got := mustOpen(t, Options{Module: module}).Limits(); got.Memory != 32<<20 || got.Event != plugin.DefaultEvent {
		t.Errorf("asked: %+v", got)
	}
	if got := mustOpen(t, Options{Module: module, Limits: plugin.Limits{Memory: 256 << 20}}).Limits(); got.Memory != 256<<20 {
		t.Errorf("granted: %+v", got)
	}
}

// FuzzModule feeds the parser and what is done to a module's manifest.
func FuzzModule(f *testing.F) {
	m := newPlugin(bodyEcho, fib(3))
	m.table = []byte{0x70, 0, 4}
	m.imports = []testImport{{abi.HostModule, "log", sigLog}}
	whole := m.bytes()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(header)
	f.Add(append(slices.Clone(header), 1, 0x80, 0x80, 0x80, 0x80, 0x10))
	f.Add(append(slices.Clone(header), 0, 3, 5, 'a', 'b'))
	f.Add(append(slices.Clone(header), 10, 4, 1, 2, 0, 0x0b))
	f.Fuzz(func(t *testing.T, module []byte) {
		report, err := Inspect(module)
		if err != nil {
			return
		}
		_ = report.Judge()
		again := WithManifest(module, []byte("name: x"))
		got, err := ReadManifest(again)
		if err != nil || string(got) != "name: x" {
			t.Fatalf("manifest %q, %v", got, err)
		}
	})
}
