package host_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
	"github.com/weir-media/weir/sdk/sdktest"
)

const golden = sinners + "/golden"

// rebuild writes the golden modules of the draft anew. A released version's are never built again.
var rebuild = flag.Bool("rebuild-golden", false, "build testplugins/golden/"+goldenDraft+" anew, after a change of the draft ABI")

// goldenDraft is the version that is not released yet; empty once it is.
const goldenDraft = "1.0"

// goldenSources are what the modules were built from.
var goldenSources = map[string]string{"mqtt": "mqtt", "hello-c": "c", "hello-rust": "rust"}

// goldenHint tells what a failure means.
func goldenHint(t *testing.T, path string) {
	t.Helper()
	if filepath.Base(filepath.Dir(path)) == goldenDraft {
		t.Logf("%s speaks ABI %s, a draft. If this commit changes the ABI itself: `go test ./host -run TestGolden -rebuild-golden`, "+
			"write the SHA-256 that it prints into the README beside it, and say so in abi/CHANGELOG.md. If not, the host has broken the contract", path, goldenDraft)
		return
	}
	t.Logf("%s speaks a released ABI: the host has broken a promise; the module stays as it is", path)
}

func goldenModules(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(golden + "/*/*.wasm")
	if err != nil || len(paths) < len(goldenSources) {
		t.Fatalf("%d golden modules (%v)", len(paths), err)
	}
	return paths
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".wasm") }

// TestGolden: plugins that were built once, for each version of the ABI, work in the
// host of today: they load, and have the conversations that they had then.
func TestGolden(t *testing.T) {
	if *rebuild {
		rebuildGolden(t)
	}
	for _, path := range goldenModules(t) {
		t.Run(name(path), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					goldenHint(t, path)
				}
			})
			asBuilt(t, path)
			g := openGolden(t, path)
			scripts, err := filepath.Glob(filepath.Join(filepath.Dir(path), name(path)+"*.script"))
			if err != nil || len(scripts) == 0 {
				t.Fatalf("no scripts for it (%v)", err)
			}
			for _, script := range scripts {
				w := newInWasm(t, g)
				if err := sdktest.CheckFile(script, w); err != nil {
					t.Errorf("%s: %v", script, err)
				}
				w.Close()
			}
		})
	}
}

func openGolden(t *testing.T, path string) plugin.Generation {
	t.Helper()
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := wasm.Open(t.Context(), wasm.Options{Module: module, CacheDir: moduleCache, Log: slog.New(slog.DiscardHandler),
		Limits: plugin.Limits{Event: scriptLimit, Open: scriptLimit}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// asBuilt holds a module to the SHA-256 that the README beside it names.
func asBuilt(t *testing.T, path string) {
	t.Helper()
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(filepath.Dir(path), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(module)
	if !bytes.Contains(readme, []byte("| `"+filepath.Base(path)+"` | "+hex.EncodeToString(sum[:])+" |")) {
		t.Errorf("its SHA-256 is %x, which its README does not say", sum)
	}
}

func rebuildGolden(t *testing.T) {
	t.Helper()
	if goldenDraft == "" {
		t.Fatal("no version of the ABI is a draft: nothing may be built again")
	}
	for file, source := range goldenSources {
		module := hosttest.Build(t, filepath.Join(sinners, source))
		if err := os.WriteFile(filepath.Join(golden, goldenDraft, file+".wasm"), module, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
		t.Logf("| `%s.wasm` | %x |", file, sha256.Sum256(module))
	}
}

// TestGoldenInServer: a whole server of today serves with them.
func TestGoldenInServer(t *testing.T) {
	config := "listeners: {web: {address: \"127.0.0.1:0\"}}\nplugins:\n"
	var opts []hosttest.Option
	for _, path := range goldenModules(t) {
		config += "  " + name(path) + ": {module: \"builtin:" + name(path) + "\", listeners: [web], grant: {attach: [\"*\"]}}\n"
		opts = append(opts, hosttest.WithPlugin(name(path), path))
	}
	s := hosttest.Start(t, config, opts...)
	for path, want := range map[string]string{"/hello-c?x": "hello from C, x\n", "/hello-rust?y": "hello from Rust, y\n"} {
		if status, text := fetch(t, s.URL("web", "http", path)); status != 200 || text != want {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	conn, err := net.Dial("tcp", s.Addr("web"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err = io.WriteString(conn, "\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"); err != nil {
		t.Fatal(err)
	}
	accepted, err := bufio.NewReader(conn).Peek(4)
	if err != nil || string(accepted) != "\x20\x02\x00\x00" {
		t.Errorf("CONNACK % x, %v", accepted, err)
	}
}

// TestGoldenIsOfItsVersion: the folder's name is what the modules say of themselves.
func TestGoldenIsOfItsVersion(t *testing.T) {
	for _, path := range goldenModules(t) {
		g := openGolden(t, path)
		if got, want := g.Manifest().ABI, filepath.Base(filepath.Dir(path)); got != want {
			t.Errorf("%s: its manifest says ABI %s", path, got)
		}
		if !strings.HasPrefix(g.Manifest().ABI, "1.") || abi.Major != 1 {
			t.Errorf("%s: teach this test which majors the host serves", path)
		}
	}
}
