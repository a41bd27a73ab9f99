package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin/proc"
)

// folders makes folders that differ in who may write there, and a module of Go.
func folders(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, mode := range map[string]os.FileMode{"mine": 0o755, "open": 0o777, "tmp": 0o777 | os.ModeSticky} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // without the umask
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go.wasm"), []byte("\x00asm…go:buildid…"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestContained(t *testing.T) {
	dir := folders(t)
	const sandbox = "plugins.a.exec: a process is no sandbox: it can do what its user can"
	processes := []string{sandbox}
	if os.Geteuid() != 0 {
		processes = append(processes, "plugins.a.exec: weir is not root: a process that the program starts")
	} else if !proc.Isolates() {
		processes = append(processes, "plugins.a.exec: weir may not make process namespaces here")
	}
	var ofB []string
	for _, text := range processes {
		ofB = append(ofB, strings.Replace(text, "plugins.a", "plugins.b", 1))
	}
	stateful := &manifest.Manifest{Name: "a", State: manifest.State{Schema: "a/1"}}
	greedy := &manifest.Manifest{Name: "a", Limits: manifest.Limits{Memory: 128 * manifest.MiB, Event: time.Second, Packets: time.Millisecond}}
	for name, c := range map[string]struct {
		head, keys string
		manifest   *manifest.Manifest
		want       []string
	}{
		"module":  {"", "module: x.wasm", stateful, nil},
		"process": {"", "exec: x, user: nobody", nil, processes},
		"two processes": {"", "exec: x, user: nobody}, b: {exec: y, user: nobody", nil, slices.Concat(processes, ofB,
			[]string{"plugins.b.user: nobody runs a too: each can end the other"})},
		"two users":       {"", "exec: x, user: nobody}, b: {exec: y, user: other", nil, slices.Concat(processes, ofB)},
		"Go memory":       {"", "module: go.wasm, limits: {memory: 8MiB}", stateful, []string{"plugins.a.limits.memory: 8MiB is too little for a plugin that is written in Go; write 16MiB or more"}},
		"other memory":    {"", "module: c.wasm, limits: {memory: 8MiB}", stateful, nil},
		"drain":           {"", "module: x.wasm, drain: 0s", stateful, []string{"plugins.a.drain: is 0s: sessions whose state"}},
		"drain of none":   {"", "module: x.wasm, drain: 0s", &manifest.Manifest{Name: "a"}, nil},
		"asks for more":   {"", "module: x.wasm", greedy, []string{"plugins.a.limits.memory: a asks for 128MiB and gets 64MiB", "plugins.a.limits.event: a asks for 1s and gets 50ms"}},
		"is granted more": {"", "module: x.wasm, limits: {memory: 128MiB, event: 1s}", greedy, nil},
		"is set lower":    {"", "module: x.wasm, limits: {memory: 32MiB, event: 1ms}", greedy, nil},
		"never slow":      {"", "module: x.wasm, limits: {slow_event: 60ms}", stateful, []string{"plugins.a.limits.slow_event: 60ms is longer than event, 50ms: nothing is ever counted as slow"}},
		"watched":         {"watch: true\n", "module: mine/x.wasm", stateful, nil},
		"watched openly":  {"watch: true\n", "module: open/x.wasm", stateful, []string{"plugins.a.module: everybody may put files into " + dir + "/open, and watch: true runs them at once"}},
		"not watched":     {"", "module: open/x.wasm", stateful, nil},
		"sticky":          {"watch: true\n", "module: tmp/x.wasm", stateful, nil},
		"disabled":        {"watch: true\n", "exec: open/x, enabled: false", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := config.Options{}.Parse("f.yaml", dir, []byte(c.head+"plugins: {a: {"+c.keys+"}}"), nil)
			if err != nil {
				t.Fatal(err)
			}
			wrong, doubtful := crossCheck(conf, map[string]*manifest.Manifest{"a": c.manifest}, nil)
			var got []string
			for _, p := range wrong {
				got = append(got, "!"+p.Key+": "+p.Text)
			}
			for _, p := range doubtful {
				got = append(got, p.Key+": "+p.Text)
			}
			if len(got) != len(c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
			for i, w := range c.want {
				if !strings.HasPrefix(got[i], w) {
					t.Errorf("got %s, want %s", got[i], w)
				}
			}
		})
	}
}
