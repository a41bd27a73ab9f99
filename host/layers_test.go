package host_test

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The tests of this file hold the source to the layer table. They read what `go list` says, so a package that does not build for this machine is
// judged as well, and what builds for WebAssembly is judged a second time as such.

const module = "github.com/weir-media/weir"

// layers names each room of the host, lowest first. A room is a folder of host/internal with all below it, or another folder of host. A package
// imports rooms of lower layers and packages of its own room. A new room needs a place here.
var layers = [][]string{
	0: {"media", "telemetry", "journal", "sample", "nserr", "sins", "spelling", "datename", "thread", "dgram"},
	1: {"sessionlog", "webhook", "stream", "netio", "access", "steer", "handover", "manifest", "config", "scaffold"},
	2: {"plugin", "deliver"},
	3: {"point"},
	4: {"session", "announce", "admin", "multicast", "archive"},
	5: {"host"},
	6: {"hosttest"},
	7: {"cmd", "e2e", "bench"},
}

// nevers are the downward imports that are forbidden all the same.
var nevers = []struct {
	room, room2, reason string
}{
	{"plugin", "netio", "a plugin sees events, never a socket"},
	{"plugin", "stream", "a plugin marks spans, it never holds packets"},
	{"plugin", "point", "what a plugin may do to a point is the session's to judge"},
	{"netio", "plugin", "netio knows byte patterns and handlers, not who asked for them"},
}

// only names the rooms whose imports within the module are few enough to be listed.
var only = map[string][]string{
	"media":      nil,
	"journal":    nil,
	"sessionlog": {"journal", "datename"},
	"webhook":    {"journal"},
	"stream":     {"media"},
	"netio":      {"telemetry", "dgram"},
	"handover":   {"media", "telemetry"},
	"sample":     nil,
	"dgram":      nil,
	"access":     {"telemetry"},
}

// private names the rooms that only the rooms listed may import.
var private = map[string][]string{
	"config": {"host"}, // host.go translates it into each room's own Options
}

// carriers are what sdk/proc may import besides abi and the standard library; nothing else of sdk may. go-plugin's logger is go-hclog's.
var carriers = []string{"github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog", "google.golang.org/grpc", "google.golang.org/protobuf"}

// listed is what is read of `go list`'s answer.
type listed struct {
	ImportPath, Dir, Doc               string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
	DepOnly                            bool
}

func (p listed) path() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// native and guest list the module's packages as this machine builds them, and as WebAssembly does. The walk makes `go test` notice a changed file:
// it does not see what a child process reads.
var (
	native = sync.OnceValues(func() ([]listed, error) { return list(nil, "./...") })
	guest  = sync.OnceValues(func() ([]listed, error) {
		return list([]string{"GOOS=wasip1", "GOARCH=wasm"}, "./abi/...", "./sdk/...", "./plugins/...", "./testplugins/...")
	})
)

const root = ".."

func list(env []string, patterns ...string) ([]listed, error) {
	if err := filepath.WalkDir(root, skipHidden); err != nil {
		return nil, err
	}
	fields := "-json=ImportPath,Dir,Doc,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,DepOnly"
	cmd := exec.Command("go", append([]string{"list", fields}, patterns...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func skipHidden(path string, e fs.DirEntry, err error) error {
	if err == nil && e.IsDir() && path != root && strings.HasPrefix(e.Name(), ".") {
		return filepath.SkipDir
	}
	return err
}

func packages(t *testing.T, from func() ([]listed, error)) []listed {
	t.Helper()
	all, err := from()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(all) < 10 {
		t.Fatalf("go list names %d packages: the test looks at the wrong folder", len(all))
	}
	return all
}

// room gives the room of a package of the host; ok is false for any other package.
func room(path string) (name string, ok bool) {
	if path == "host" {
		return "host", true
	}
	rest, ok := strings.CutPrefix(path, "host/")
	if !ok {
		return "", false
	}
	name, _, _ = strings.Cut(strings.TrimPrefix(rest, "internal/"), "/")
	return name, true
}

func layer(room string) int {
	return slices.IndexFunc(layers, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

func TestHostImportsOnlyDownwards(t *testing.T) {
	for _, p := range packages(t, native) {
		from, ok := room(p.path())
		if !ok {
			continue
		}
		if layer(from) < 0 {
			t.Errorf("%s: room %q has no layer; give it one in layers_test.go", p.path(), from)
			continue
		}
		for _, path := range p.Imports {
			to, ok := room(within(path))
			if !ok || to == from {
				continue
			}
			if why := judge(from, to); why != "" {
				t.Errorf("%s imports %s: %s", p.path(), within(path), why)
			}
		}
	}
}

// judge says why room from may not import room to; empty if it may.
func judge(from, to string) string {
	for _, n := range nevers {
		if n.room == from && n.room2 == to {
			return n.reason
		}
	}
	if allowed, listed := only[from]; listed && !slices.Contains(allowed, to) {
		return from + " may import only " + names(allowed) + " of this module"
	}
	if users, listed := private[to]; listed && !slices.Contains(users, from) {
		return "only " + names(users) + " may; declare the Options that are needed and let the host fill them in"
	}
	if layer(to) >= layer(from) {
		return "not a lower layer; declare a small interface and let the host wire it"
	}
	return ""
}

// TestJudge makes sure that the test would see what it looks for.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		from, to string
		fine     bool
	}{
		{"session", "point", true}, {"host", "config", true}, {"deliver", "stream", true}, {"stream", "media", true}, {"cmd", "host", true}, {"cmd", "manifest", true},
		{"point", "session", false}, {"session", "announce", false}, {"session", "config", false}, {"cmd", "config", false},
		{"plugin", "netio", false}, {"plugin", "stream", false}, {"plugin", "point", false}, {"netio", "plugin", false}, {"stream", "telemetry", false},
		{"admin", "host", false}, {"host", "cmd", false},
	} {
		if why := judge(c.from, c.to); (why == "") != c.fine {
			t.Errorf("%s imports %s: judged %q", c.from, c.to, why)
		}
	}
}

// TestGuestsStandAlone: what a plugin's author gets builds without the host. abi may use the standard library; sdk that and abi; a plugin both.
func TestGuestsStandAlone(t *testing.T) {
	for target, from := range map[string]func() ([]listed, error){"native": native, "wasip1": guest} {
		for _, p := range packages(t, from) {
			allowed, judged := guestImports(p.path())
			if !judged {
				continue
			}
			all := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
			for _, path := range all {
				if !standard(path) && !slices.ContainsFunc(allowed, func(a string) bool { return under(path, a) }) {
					t.Errorf("%s (%s) imports %s: it may import only %s", p.path(), target, path, names(append(slices.Clone(allowed), "the standard library")))
				}
			}
		}
	}
}

func guestImports(path string) (allowed []string, judged bool) {
	abi, sdk := module+"/abi", module+"/sdk"
	switch top, _, _ := strings.Cut(path, "/"); {
	case top == "abi":
		return []string{abi}, true
	case under(path, "sdk/proc"):
		return append([]string{abi, sdk}, carriers...), true
	case top == "sdk":
		return []string{abi, sdk}, true
	case top == "plugins" || top == "testplugins":
		return []string{abi, sdk, module + "/" + path}, true
	}
	return nil, false
}

// TestEveryPackageIsDocumented reads the files themselves when there are only tests, whose comment `go list` does not tell.
func TestEveryPackageIsDocumented(t *testing.T) {
	for _, p := range packages(t, native) {
		doc := p.Doc
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			if doc != "" || len(p.GoFiles) > 0 {
				break
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			doc = f.Doc.Text()
		}
		if doc == "" {
			t.Errorf("%s: no file says above its package clause what the package owns, takes in, gives out and never does", p.path())
		}
	}
}

func within(path string) string {
	if rest, ok := strings.CutPrefix(path, module+"/"); ok {
		return rest
	}
	return ""
}

func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// standard: the first element of the standard library's paths has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func names(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
