package wasm

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// The tests of this file run the specification's own suites, as wazero keeps them, on each module twice: as it is, and metered. Whatever the one
// answers, the other has to answer.

// specFolder is where wazero's source lies, which holds the suites.
var specFolder = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest"), err
})

func specFiles(t testing.TB, patterns ...string) (files []string) {
	t.Helper()
	folder, err := specFolder()
	if err != nil {
		t.Fatalf("find wazero's source: %v", err)
	}
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(folder, p))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no suites there: %v", p, err)
		}
		files = append(files, found...)
	}
	return files
}

type specCommand struct {
	Type       string     `json:"type"`
	Line       int        `json:"line"`
	Name       string     `json:"name"`
	Filename   string     `json:"filename"`
	As         string     `json:"as"`
	Action     specAction `json:"action"`
	ModuleType string     `json:"module_type"`
}

type specAction struct {
	Type   string      `json:"type"`
	Field  string      `json:"field"`
	Module string      `json:"module"`
	Args   []specValue `json:"args"`
}

type specValue struct {
	Type     string `json:"type"`
	LaneType string `json:"lane_type"`
	Value    any    `json:"value"`
}

// words is the value as wazero takes it.
func (v specValue) words() []uint64 {
	if v.Type != "v128" {
		text, _ := v.Value.(string)
		return []uint64{specNumber(v.Type, text)}
	}
	lanes, _ := v.Value.([]any)
	var words [2]uint64
	bits := 128 / len(lanes)
	for i, lane := range lanes {
		n := specNumber(v.LaneType, lane.(string)) & (math.MaxUint64 >> (64 - bits))
		words[i*bits/64] |= n << (i * bits % 64)
	}
	return words[:]
}

func specNumber(kind, text string) uint64 {
	switch {
	case text == "null" || text == "":
		return 0
	case strings.HasPrefix(text, "nan") && strings.HasSuffix(kind, "32"):
		return 0x7fc00000
	case strings.HasPrefix(text, "nan"):
		return 0x7ff8000000000000
	case strings.HasPrefix(text, "-"):
		n, _ := strconv.ParseInt(text, 10, 64)
		return uint64(n)
	}
	n, _ := strconv.ParseUint(text, 10, 64)
	if kind == "externref" {
		n++ // 0 is null
	}
	return n
}

// specFile is one file of commands, running in two worlds.
type specFile struct {
	path       string
	worlds     [2]*world
	assertions int
	different  []string
}

// runSpec runs one file on the module as it is and on what the meter makes of it. limit is for each call of a function.
func runSpec(t testing.TB, path, engine string, m *rewriter, limit time.Duration) *specFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Commands []specCommand }
	if err = json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	base, err := os.ReadFile(filepath.Join(folder, "..", "..", "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	f := &specFile{path: path, worlds: [2]*world{newWorld(t, engine, nil), newWorld(t, engine, m)}}
	for _, w := range f.worlds {
		w.limit = limit
		if got := w.load("", "spectest", base); got != "accepted" {
			t.Fatalf("spectest: %s", got)
		}
	}
	for i := range file.Commands {
		c := &file.Commands[i]
		var next *specCommand
		if i+1 < len(file.Commands) {
			next = &file.Commands[i+1]
		}
		f.command(t, folder, c, next)
	}
	for _, w := range f.worlds {
		w.close()
	}
	return f
}

func (f *specFile) command(t testing.TB, folder string, c, next *specCommand) {
	t.Helper()
	var answers [2]string
	switch c.Type {
	case "register":
		return // with the module before it
	case "module", "assert_malformed", "assert_invalid", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return
		}
		module, err := os.ReadFile(filepath.Join(folder, c.Filename))
		if err != nil {
			t.Fatal(err)
		}
		as := ""
		if c.Type == "module" && next != nil && next.Type == "register" {
			as = next.As
		}
		for i, w := range f.worlds {
			answers[i] = w.load(c.Name, as, module)
		}
	default:
		for i, w := range f.worlds {
			answers[i] = w.act(c.Action)
		}
	}
	f.assertions++
	if answers[0] != answers[1] {
		f.different = append(f.different, fmt.Sprintf("%s:%d: %s %s: plain %q, metered %q", filepath.Base(f.path), c.Line, c.Type, c.Action.Field, answers[0], answers[1]))
	}
}

// act does what a command says and tells how it ended.
func (w *world) act(a specAction) string {
	m := w.last
	if a.Module != "" {
		m = w.modules[a.Module]
	}
	if m == nil {
		return "no module"
	}
	if a.Type == "get" {
		return fmt.Sprint(m.ExportedGlobal(a.Field).Get())
	}
	var args []uint64
	for _, v := range a.Args {
		args = append(args, v.words()...)
	}
	f := m.ExportedFunction(a.Field)
	if f == nil {
		return "no function"
	}
	return w.call(f, args...)
}

// call calls a function and gives its results, or why there are none, in a form that is the same in all worlds.
func (w *world) call(f api.Function, args ...uint64) string {
	return w.callFor(w.limit, f, args...)
}

func (w *world) callFor(limit time.Duration, f api.Function, args ...uint64) string {
	w.guest.tank.fill(limit)
	defer w.guest.tank.end()
	w.guest.tank.stack = stackOf(f)
	results, err := f.Call(w.guest, args...)
	if err != nil {
		return causeOf(err)
	}
	if types := f.Definition().ResultTypes(); slices.Contains(types, api.ValueType(typeFunc)) && len(types) == 1 {
		return fmt.Sprint("a function: ", results[0] != 0) // an address
	}
	return fmt.Sprint(results)
}

func TestSpecification(t *testing.T) {
	engines := []string{"compiler"}
	if os.Getenv("WEIR_SOAK") == "1" && !raced {
		engines = append(engines, "interpreter")
	}
	patterns, want := []string{"v1/testdata/*.json", "v2/testdata/*.json"}, 60_000 // wazero 1.12's
	if raced {                                                                     // which has nothing to see here
		patterns, want = []string{"v2/testdata/b*.json", "v2/testdata/c*.json", "v2/testdata/memory*.json", "v2/testdata/ref*.json", "v2/testdata/table*.json"}, 5_000
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			total := 0
			for _, path := range specFiles(t, patterns...) {
				f := runSpec(t, path, engine, &rewriter{growTables: true}, time.Minute)
				total += f.assertions
				for _, d := range f.different {
					t.Error(d)
				}
			}
			t.Logf("%d assertions, plain and metered", total)
			if total < want {
				t.Errorf("%d assertions: the suites are not all there", total)
			}
		})
	}
}

// TestSpecificationNoticesMutants leaves function indices as they are, one place after the other, and wants the suites to notice.
func TestSpecificationNoticesMutants(t *testing.T) {
	if raced {
		t.Skip("the race detector is in")
	}
	for name, still := range map[string]place{"calls": inCall, "ref.func": inRefFunc, "elements": inElement, "exports": inExport, "start": inStart} {
		t.Run(name, func(t *testing.T) {
			noticed := 0
			for _, path := range specFiles(t, "v2/testdata/call*.json", "v2/testdata/ref_func.json", "v2/testdata/start.json", "v2/testdata/elem.json") {
				noticed += len(runSpec(t, path, "compiler", &rewriter{growTables: true, still: still}, time.Second).different)
			}
			if noticed == 0 {
				t.Error("nobody noticed")
			}
		})
	}
}
