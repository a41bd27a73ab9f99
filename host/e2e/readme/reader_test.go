package readme_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
	"github.com/weir-media/weir/host/hosttest"
)

// reader is somebody who follows the page: a copy of the tree, and the server that runs in it.
type reader struct {
	dir    string
	port   string
	env    []string
	server *child.Process
}

func newReader(t *testing.T) *reader {
	t.Helper()
	for _, program := range []string{"make", "cp", "curl"} {
		child.Need(t, program)
	}
	r := &reader{dir: filepath.Join(t.TempDir(), "weir"), port: choosePort(t)}
	copyTree(t, child.Root(t), r.dir)
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		// What a make above this test says of itself is not for the reader's make.
		if strings.HasPrefix(name, "WEIR_") || strings.HasPrefix(name, "MAKE") || name == "MFLAGS" {
			continue
		}
		r.env = append(r.env, entry)
	}
	if r.port != writtenPort {
		r.env = append(r.env, "WEIR_LISTENERS__WEB__ADDRESS=127.0.0.1:"+r.port)
	}
	return r
}

// copyTree copies what belongs to the tree, with its times, which make compares.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err == nil {
		err = os.Mkdir(to, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"-a", "-t", to}
	for _, e := range entries {
		if e.Name() != ".git" && e.Name() != "bin" && e.Type()&os.ModeSocket == 0 {
			arguments = append(arguments, filepath.Join(from, e.Name()))
		}
	}
	if _, _, code := child.Run(t, exec.Command("cp", arguments...)); code != 0 {
		t.Fatal("the tree could not be copied")
	}
}

// command is a line of the page, as its reader's shell runs it in the copy.
func (r *reader) command(line string, env ...string) *exec.Cmd {
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(line, writtenPort, r.port))
	cmd.Dir, cmd.Env = r.dir, append(r.env[:len(r.env):len(r.env)], env...)
	return cmd
}

// run runs lines that must succeed.
func (r *reader) run(t *testing.T, lines string, env ...string) (out, log string) {
	t.Helper()
	out, log, code := child.Run(t, r.command(lines, env...))
	if code != 0 {
		t.Fatalf("%s: exit code %d", lines, code)
	}
	return out, log
}

// serve runs a line that starts the server. It belongs to the whole page, page, not to the block that starts it.
func (r *reader) serve(page *testing.T, line string) {
	page.Helper()
	r.server = child.Start(page, r.command("exec "+line))
	r.server.UntilReady()
}

// stop ends the server as `kill` does, and everything above it: make among them, which does not end with 0 then.
func (r *reader) stop() (code int) {
	r.server.Signal(syscall.SIGTERM)
	return r.server.Wait()
}

func (r *reader) status(t *testing.T) (s hosttest.Status) {
	t.Helper()
	out, _ := r.run(t, "bin/weir status --json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// awaitLive waits until point live gets media from a source.
func (r *reader) awaitLive(t *testing.T) {
	t.Helper()
	var first float64
	r.await(t, "has a source", func(p hosttest.Point) bool {
		first = newest(p)
		return p.State == "live" && first > 0
	})
	r.await(t, "gets media", func(p hosttest.Point) bool { return newest(p) > first })
}

func (r *reader) await(t *testing.T, what string, ok func(live hosttest.Point) bool) {
	t.Helper()
	hosttest.Eventually(t, "point live "+what, func() bool {
		for _, p := range r.status(t).Points {
			if p.Name == "live" {
				return ok(p)
			}
		}
		t.Fatal("there is no point live")
		return false
	})
}

// newest is how far the media of a point has come, in seconds.
func newest(p hosttest.Point) (seconds float64) {
	for _, r := range p.Renditions {
		seconds = max(seconds, r.NewestSeconds)
	}
	return seconds
}
