//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
	"github.com/weir-media/weir/host/e2e/netns"
	"github.com/weir-media/weir/host/hosttest"
)

// alone is a weir that runs as a process of its own in a namespace, with its files in a folder that anybody may enter.
type alone struct {
	*child.Process
	t     *testing.T
	space *netns.Space
	dir   string
	user  []string // what precedes a command so that it runs as somebody else
}

// newAlone makes the folder, with the modules of the first-party plugins that the configuration names; serve starts the server.
func newAlone(t *testing.T, space *netns.Space, config string) *alone {
	t.Helper()
	a := &alone{t: t, space: space}
	var err error
	if a.dir, err = os.MkdirTemp("", "weir-"); err != nil { // short, for the socket's path (unix(7): 107 bytes)
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(a.dir) })
	if err := os.Chmod(a.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(a.dir, "weir"), "../cmd/weir")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build`
	if _, log, code := child.Run(t, build); code != 0 {
		t.Fatalf("weir does not build:\n%s", log)
	}
	a.write("plugins.yaml", config)
	for _, line := range strings.Split(config, "\n") {
		if _, rest, found := strings.Cut(line, "module: ./"); found {
			name, _, _ := strings.Cut(rest, ".wasm")
			a.write(name+".wasm", string(hosttest.Build(t, "../../plugins/"+name)))
		}
	}
	return a
}

func (a *alone) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// asNobody takes all rights from what is run from now on.
func (a *alone) asNobody() *alone {
	a.user = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"}
	return a
}

// serve starts the server and waits for its line that begins with ready.
func (a *alone) serve() *alone {
	a.t.Helper()
	a.Process = child.Start(a.t, a.command("serve", "-c", "plugins.yaml", "--drain", "1s"))
	a.UntilReady()
	return a
}

func (a *alone) command(arguments ...string) *exec.Cmd {
	all := append(a.user[:len(a.user):len(a.user)], "./weir")
	all = append(all, arguments...)
	cmd := a.space.Command(all[0], all[1:]...)
	cmd.Dir = a.dir
	return cmd
}

// weir runs a command, which must succeed.
func (a *alone) weir(arguments ...string) (out string) {
	a.t.Helper()
	out, log, code := child.Run(a.t, a.command(arguments...))
	if code != 0 {
		a.t.Fatalf("weir %s: exit code %d\n%s%s", strings.Join(arguments, " "), code, out, log)
	}
	return out
}

func (a *alone) status() (s hosttest.Status) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.weir("status", "--json")), &s); err != nil {
		a.t.Fatal(err)
	}
	return s
}

// awaitPoint waits until a point is in a state.
func (a *alone) awaitPoint(name, state string) {
	a.t.Helper()
	hosttest.Eventually(a.t, "point "+name+" is "+state, func() bool {
		for _, p := range a.status().Points {
			if p.Name == name {
				return p.State == state && len(p.Renditions) > 0
			}
		}
		return false
	})
}

// stop ends the server as an operator does, and expects it to end well.
func (a *alone) stop() {
	a.t.Helper()
	a.Signal(syscall.SIGTERM)
	if code := a.Wait(); code != 0 {
		a.t.Errorf("after SIGTERM weir ended with exit code %d", code)
	}
}

// kill ends the server as the kernel does when memory is short.
func (a *alone) kill() {
	a.t.Helper()
	a.Signal(syscall.SIGKILL)
	a.Wait()
}
