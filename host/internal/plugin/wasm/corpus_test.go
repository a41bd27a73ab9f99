package wasm

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/weir-media/weir/abi/v1"
)

// twins are one module in two worlds, plain and metered. The host's functions are there, and time and randomness are the same for both.
type twins struct {
	worlds  [2]*world
	modules [2]api.Module
}

func twinsOf(t *testing.T, module []byte) *twins {
	t.Helper()
	w := &twins{worlds: [2]*world{newWorld(t, "compiler", nil), newWorld(t, "compiler", &rewriter{})}}
	for i, world := range w.worlds {
		t.Cleanup(world.close)
		if err := provide(t.Context(), world.runtime); err != nil {
			t.Fatal(err)
		}
		if got := world.load("", "", module); got != "accepted" {
			t.Fatalf("world %d: %s", i, got)
		}
		w.modules[i] = world.last
	}
	return w
}

// call calls a function of both. The metered one goes first, so that one that does not end is known before the plain one begins; more says whether
// the two can go on.
func (w *twins) call(t *testing.T, limit time.Duration, name string, args ...uint64) (more bool) {
	t.Helper()
	var answers [2]string
	for _, i := range []int{1, 0} {
		f := w.modules[i].ExportedFunction(name)
		if f == nil {
			return true
		}
		world := w.worlds[i]
		answers[i] = world.callFor(limit, f, args...)
		if answers[i] == errOvertime.Error() {
			return false
		}
	}
	if answers[0] != answers[1] {
		t.Errorf("%s %v: plain %s, metered %s", name, args, answers[0], answers[1])
	}
	if err := sameMemory(w.modules[0], w.modules[1]); err != nil {
		t.Errorf("%s %v: %v", name, args, err)
	}
	return strings.HasPrefix(answers[0], "[")
}

func TestCorpus(t *testing.T) {
	const folder = "testdata/corpus/"
	builds := map[string]func(*testing.T) []byte{
		"C": func(t *testing.T) []byte {
			needClang(t)
			return must(t)(compileC(folder+"simd.c", "-msimd128", "-mbulk-memory"))
		},
		"C without vectors": func(t *testing.T) []byte {
			needClang(t)
			return must(t)(benchC())
		},
		"Rust":           compileRust,
		"AssemblyScript": func(t *testing.T) []byte { return must(t)(os.ReadFile(folder + "corpus.wasm")) },
	}
	for name, build := range builds {
		t.Run(name, func(t *testing.T) {
			w := twinsOf(t, build(t))
			random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
			w.call(t, time.Minute, "prepare")
			for _, function := range []string{"sum", "parse", "recurse"} {
				w.call(t, time.Minute, function)
			}
			for n := range 60 {
				if !w.call(t, time.Minute, "run", uint64(random.Uint32())) {
					t.Fatal("a guest ended")
				}
				if n%6 == 0 {
					w.call(t, time.Minute, "grow", uint64(n%5))
				}
			}
		})
	}
}

func must(t *testing.T) func([]byte, error) []byte {
	t.Helper()
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func compileRust(t *testing.T) []byte {
	return rust(t, "wasm32-unknown-unknown", "testdata/corpus/corpus.rs")
}

// rust builds with whichever compiler has the library for a target.
func rust(t *testing.T, target, source string) []byte {
	t.Helper()
	var failed error
	for _, rustc := range []string{"rustc", "/usr/bin/rustc"} {
		for _, target := range []string{target, strings.Replace(target, "wasip1", "wasi", 1)} { // the older name
			module, err := linked(rustc, "--target", target, "-O", "--edition", "2021", "--crate-type", "cdylib", source)
			if err == nil {
				return module
			}
			failed = errors.Join(failed, err)
		}
	}
	if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
		t.Fatal(failed)
	}
	t.Skip(failed)
	return nil
}

// linked runs a compiler in the folder of its last argument, the source, and gives what it makes.
func linked(compiler string, arguments ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "weir-linked-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out, last := filepath.Join(dir, "out.wasm"), len(arguments)-1
	build := exec.Command(compiler, append([]string{"-o", out}, append(arguments[:last:last], filepath.Base(arguments[last]))...)...)
	build.Dir = filepath.Dir(arguments[last])
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", compiler, err, text)
	}
	return os.ReadFile(out)
}

// Test plugins that answer nothing, by their sin.
var (
	refusedPlugins = map[string]bool{"liar": true}                                       // what it imports
	silentPlugins  = map[string]bool{"mayfly": true, "slowinit": true, "badbox.c": true} // they do not get through their start
)

// TestPluginsAreEqual gives plugins one event of each kind, plain and metered: the same answers, and after each of them the same memory. They are all of
// the repository: its own, the test plugins in Go, C and Rust, and those that are kept as they were built. The test plugins' source, which is three
// minutes of building, is for the soak; a short run takes one of the repository's own, and one with the race detector none.
func TestPluginsAreEqual(t *testing.T) {
	frames := goldenFrames(t)
	builds := map[string]func(*testing.T) []byte{}
	add := func(pattern string, build func(*testing.T, string) []byte) {
		found, err := filepath.Glob(filepath.Join("..", "..", "..", "..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range found {
			name := filepath.Base(path)
			if name == "main.go" || name == "lib.rs" {
				name = filepath.Base(filepath.Dir(path))
			}
			builds[name] = func(t *testing.T) []byte { return build(t, path) }
		}
	}
	inGo := func(t *testing.T, main string) []byte { return must(t)(buildGo(filepath.Dir(main))) }
	kept := "testplugins/golden/*/*.wasm"
	if raced {
		kept = "testplugins/golden/*/hello*.wasm" // to compile a module of Go's takes a minute
	}
	add(kept, func(t *testing.T, path string) []byte { return must(t)(os.ReadFile(path)) })
	switch {
	case os.Getenv("WEIR_SOAK") == "1":
		add("plugins/*/main.go", inGo)
		add("testplugins/*/main.go", inGo)
		add("testplugins/*/*.c", func(t *testing.T, path string) []byte {
			needClang(t)
			return must(t)(linked("clang", "--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-msimd128", path))
		})
		add("testplugins/*/lib.rs", func(t *testing.T, path string) []byte { return rust(t, "wasm32-wasip1", path) })
	case raced:
	case testing.Short():
		add("plugins/http/main.go", inGo)
	default:
		add("plugins/*/main.go", inGo)
	}
	for name, build := range builds {
		t.Run(name, func(t *testing.T) {
			module := build(t)
			report, err := Inspect(module)
			if err == nil {
				err = report.judgeImports()
			}
			if refusedPlugins[name] != (err != nil) {
				t.Fatalf("refused for its imports: %v", err)
			}
			if err != nil {
				return
			}
			called := converse(t, twinsOf(t, module), frames)
			t.Logf("%d of %d frames", called, len(frames))
			if silentPlugins[name] != (called == 0) {
				t.Errorf("it answered %d frames", called)
			}
		})
	}
}

// converse starts a plugin in both worlds and hands in frames until it sins.
func converse(t *testing.T, w *twins, frames [][]byte) (called int) {
	t.Helper()
	const limit = 5 * time.Second // of a loop that is one of the test plugins' sins
	if w.modules[0].ExportedFunction(abi.InitializeExport) != nil && !w.call(t, limit, abi.InitializeExport) ||
		!w.call(t, limit, abi.MarkerExport) || !w.call(t, limit, abi.BufferExport, 0) || !w.call(t, limit, abi.BufferExport, 1) {
		return 0
	}
	for _, frame := range frames {
		for i, m := range w.modules {
			where, err := m.ExportedFunction(abi.BufferExport).Call(w.worlds[i].guest, 0)
			if err != nil || !m.Memory().Write(uint32(where[0]>>32), frame) {
				return called
			}
			w.worlds[i].guest.enter(frame)
		}
		if !w.call(t, limit, abi.CallExport, uint64(len(frame))) {
			return called
		}
		called++
	}
	return called
}

// goldenFrames are the ABI's golden vectors of events, OPEN first.
func goldenFrames(t *testing.T) (frames [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "abi", "v1", "testdata", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden vectors: %v", err)
	}
	open := filepath.Join(filepath.Dir(files[0]), "open.json")
	files = append([]string{open}, slices.DeleteFunc(files, func(f string) bool { return f == open })...)
	for _, file := range files {
		var vector struct {
			Op  abi.Op `json:"op"`
			Hex string `json:"hex"` // a frame
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &vector)
		}
		frame, hexErr := hex.DecodeString(vector.Hex)
		if err != nil || hexErr != nil {
			t.Fatalf("%s: %v, %v", file, err, hexErr)
		}
		if vector.Op.IsEvent() {
			frames = append(frames, frame)
		}
	}
	return frames
}
