package hosttest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// firstParty is where the plugins of the distribution are.
const firstParty = "github.com/weir-media/weir/plugins/"

// Build gives the module of the plugin whose source, in Go, C or Rust, and plugin.yaml
// are in a folder. It is built once per test binary; callers share the bytes and must
// not change them. Without a compiler it ends the test as NeedCompiler does.
func Build(t testing.TB, dir string) []byte {
	t.Helper()
	NeedCompiler(t, dir)
	b, err := Module(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Module is Build for any goroutine.
func Module(dir string) ([]byte, error) { return place(dir)() }

// origin gives a module that holds its manifest.
type origin func() ([]byte, error)

func bytesOf(module []byte) origin { return func() ([]byte, error) { return module, nil } }

// place is a folder of source, or a .wasm file, which is read each time.
func place(path string) origin {
	if filepath.Ext(path) == ".wasm" {
		return func() ([]byte, error) { return os.ReadFile(path) }
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return func() ([]byte, error) { return nil, err }
	}
	return func() ([]byte, error) { return built(abs) }
}

var builds sync.Map // folder → func() ([]byte, error)

func built(dir string) ([]byte, error) {
	f, _ := builds.LoadOrStore(dir, sync.OnceValues(func() ([]byte, error) { return build(dir) }))
	return f.(func() ([]byte, error))()
}

// build compiles the source in a folder as the reactor that the ABI asks for (spec.md),
// and puts its manifest into the module.
func build(dir string) ([]byte, error) {
	manifest, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	temporary, err := os.MkdirTemp("", "weir-build-")
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	defer os.RemoveAll(temporary)
	out := filepath.Join(temporary, "plugin.wasm")
	if err = compile(dir, out); err != nil {
		return nil, fmt.Errorf("build plugin %s: %w", dir, err)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("build plugin: %w", err)
	}
	return wasm.WithManifest(module, manifest), nil
}

func goCommand(dir string, arguments ...string) (string, error) {
	cmd := exec.Command("go", arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", arguments[0], err, complaint.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// folders lists the first-party plugins: name → folder.
var folders = sync.OnceValues(func() (map[string]string, error) {
	out, err := goCommand("", "list", "-f", "{{.Dir}}", firstParty+"...")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for dir := range strings.SplitSeq(out, "\n") {
		all[filepath.Base(dir)] = dir
	}
	return all, nil
})

// modules resolves "builtin:NAME". Any goroutine may use it; the zero value knows the
// first-party plugins.
type modules struct {
	mu    sync.Mutex
	other map[string]origin
}

func (m *modules) set(name string, from origin) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.other == nil {
		m.other = map[string]origin{}
	}
	m.other[name] = from
}

func (m *modules) module(name string) ([]byte, error) {
	m.mu.Lock()
	from := m.other[name]
	m.mu.Unlock()
	if from != nil {
		return from()
	}
	all, err := folders()
	if err != nil {
		return nil, err
	}
	dir, ok := all[name]
	if !ok {
		return nil, errors.New("hosttest: no first-party plugin and no WithPlugin is named " + strconv.Quote(name))
	}
	return built(dir)
}

var builtinName = regexp.MustCompile(`builtin:([\w-]+)`)

// prebuild builds the plugins that a configuration names, side by side. Errors come
// again when the host asks for the module.
func (m *modules) prebuild(yaml string) {
	var all sync.WaitGroup
	for _, found := range builtinName.FindAllStringSubmatch(yaml, -1) {
		all.Go(func() { _, _ = m.module(found[1]) })
	}
	all.Wait()
}

// cacheDir is a folder that outlives the test binary. It holds code that tests will
// run, so its name tells the user and the host refuses it if others could write to it.
func cacheDir(name string) string {
	return filepath.Join(os.TempDir(), "weir-test-"+strconv.Itoa(os.Getuid()), name)
}
