// Package stranger_test does what somebody does who has a weir binary, stock Go and no network, and never saw weir's repository: begins a plugin, builds
// it, runs it, changes it while it runs. It takes each command from what `weir plugin new` prints.
package stranger_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
)

// bench is the stranger's place: a home with nothing in it, and a folder for the plugin and the server.
type bench struct {
	t    *testing.T
	dir  string
	env  []string
	port string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	child.Need(t, "curl")
	home := t.TempDir()
	bin, dir := filepath.Join(home, "bin"), filepath.Join(home, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", bin+"/", "./host/cmd/weir")
	build.Dir = child.Root(t)
	if _, _, code := child.Run(t, build); code != 0 {
		t.Fatal("weir does not build")
	}
	// Compiled code of the standard library is the one thing that the stranger has already, lest each run compile it anew.
	cache, _, code := child.Run(t, exec.Command("go", "env", "GOCACHE"))
	if code != 0 {
		t.Fatal("go env fails")
	}
	return &bench{t: t, dir: dir, port: freePort(t), env: []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "GOMODCACHE=" + filepath.Join(home, "modules"), "GOCACHE=" + strings.TrimSpace(cache),
		"GOPROXY=off", "GOTOOLCHAIN=local",
	}}
}

// freePort finds a port for plugins.yaml, where 0 is not allowed.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (b *bench) command(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = b.dir, b.env
	return cmd
}

// run runs a line of shell, which must succeed.
func (b *bench) run(line string) (out string) {
	b.t.Helper()
	out, log, code := child.Run(b.t, b.command(line))
	if code != 0 {
		b.t.Fatalf("%s: exit code %d\n%s%s", line, code, out, log)
	}
	return out
}

// steps are the lines that `weir plugin new` prints for its reader to use.
type steps struct{ build, section, entry, curl, reload string }

func (b *bench) newPlugin(name string) steps {
	b.t.Helper()
	var lines []string
	said := b.run("weir plugin new " + name)
	for line := range strings.Lines(said) {
		if step, ok := strings.CutPrefix(line, "  "); ok {
			lines = append(lines, strings.TrimSuffix(step, "\n"))
		}
	}
	if len(lines) != 5 {
		b.t.Fatalf("weir plugin new does not say five lines to use:\n%s", said)
	}
	return steps{lines[0], lines[1], lines[2], strings.ReplaceAll(lines[3], "8080", b.port), lines[4]}
}

// rewrite changes a file of the bench.
func (b *bench) rewrite(file string, change func(text string) string) {
	b.t.Helper()
	path := filepath.Join(b.dir, file)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(change(string(text))), 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) answers(curl, want string) {
	b.t.Helper()
	if got := b.run(curl); got != want {
		b.t.Errorf("%s: %q, want %q", curl, got, want)
	}
}

func TestStranger(t *testing.T) {
	b := newBench(t)
	do := b.newPlugin("hello")
	b.run(do.build)
	config := fmt.Sprintf("listeners:\n  web: {address: \"127.0.0.1:%s\"}\n%s\n%s\n", b.port, do.section, do.entry)
	if err := os.WriteFile(filepath.Join(b.dir, "plugins.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	b.run("weir check -c plugins.yaml")
	server := child.Start(t, b.command("exec weir serve -c plugins.yaml"))
	server.UntilReady()
	b.answers(do.curl, "hello, you\n")

	const before, after = `p.greeting+", "`, `p.greeting+" again, "`
	b.rewrite("hello/hello.go", func(text string) string {
		if strings.Count(text, before) != 1 {
			t.Fatalf("hello.go does not hold %s once:\n%s", before, text)
		}
		return strings.Replace(text, before, after, 1)
	})
	b.run("cd hello && weir plugin build")
	b.answers(do.curl, "hello, you\n")
	b.run(do.reload)
	b.answers(do.curl, "hello again, you\n")

	b.refusesBroken(do)
	b.switchesOff(do)

	server.Signal(syscall.SIGTERM)
	if code := server.Wait(); code != 0 {
		t.Errorf("after SIGTERM weir ended with exit code %d", code)
	}
}

// refusesBroken: modules that are none, or half of one, are refused with the reason, and what runs runs on.
func (b *bench) refusesBroken(do steps) {
	b.t.Helper()
	for _, c := range []struct {
		what, reason string
		change       func(module string) string
	}{
		{"half a module", "hello.module", func(module string) string { return module[:len(module)/2] }},
		{"no module", "not a WebAssembly module", func(string) string { return "oops" }},
	} {
		var whole string
		b.rewrite("hello/hello.wasm", func(module string) string {
			whole = module
			return c.change(module)
		})
		out, log, code := child.Run(b.t, b.command(do.reload))
		if code != 1 || !strings.Contains(log, c.reason) || !strings.Contains(log, "hello") {
			b.t.Errorf("%s: %s: exit code %d, %q %q; a refusal that names %q was expected", c.what, do.reload, code, out, log, c.reason)
		}
		b.answers(do.curl, "hello again, you\n")
		b.rewrite("hello/hello.wasm", func(string) string { return whole })
	}
}

// switchesOff: a disabled plugin's requests get a 503 that says why, and it comes back.
func (b *bench) switchesOff(do steps) {
	b.t.Helper()
	b.run("weir plugin disable hello")
	said := b.run(strings.Replace(do.curl, "curl", "curl -s -w '\\n%{http_code}'", 1))
	body, code, _ := strings.Cut(strings.TrimSpace(said), "\n")
	if !strings.HasSuffix(code, "503") || !strings.Contains(body, "hello") || !strings.Contains(body, "disabled") {
		b.t.Errorf("disabled, it answers %q; a 503 that says so was expected", said)
	}
	if status := b.run("weir status"); !strings.Contains(status, "disabled") {
		b.t.Errorf("weir status does not say that the plugin is disabled:\n%s", status)
	}
	b.run("weir plugin enable hello")
	b.answers(do.curl, "hello again, you\n")
}
