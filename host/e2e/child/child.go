// Package child runs programs for proofs that look at weir from outside, as its users do: by command lines, their output and their exit codes.
//
// It owns the processes that it starts: each is the head of a process group, which is killed when the test ends. Commands come in; output and exit
// codes go out. It never sleeps: it waits for output or for the end of a process, and fails the test when that takes too long.
package child

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a wait may take. Chosen: a cold build of everything on two busy cores takes less.
const Patience = 3 * time.Minute

// Process is a program that was started. Its methods may be called by any goroutine, those that can fail the test by the test's own only.
type Process struct {
	t        testing.TB
	cmd      *exec.Cmd
	Out, Log *Text // standard output and standard error
	done     chan struct{}
}

// Text collects what a process prints.
type Text struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed and made anew at each Write
}

// Write takes what the process prints.
func (x *Text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	close(x.more)
	x.more = make(chan struct{})
	return x.b.Write(b)
}

// String is all that was printed so far.
func (x *Text) String() string {
	s, _ := x.look()
	return s
}

func (x *Text) look() (string, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String(), x.more
}

// Start starts cmd, whose output goes to the Process.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, Out: &Text{more: make(chan struct{})}, Log: &Text{more: make(chan struct{})}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.Out, p.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // ProcessState tells the same
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // most often it has ended
		<-p.done
		if t.Failed() {
			t.Logf("%s\nstdout: %s\nstderr: %s", cmd, last(p.Out.String()), last(p.Log.String()))
		}
	})
	return p
}

// last gives the end of a text, where what went wrong stands.
func last(text string) string {
	const most = 6000 // chosen: about a hundred lines
	return text[max(0, len(text)-most):]
}

// Run runs cmd to its end and gives what it printed and its exit code.
func Run(t testing.TB, cmd *exec.Cmd) (out, log string, code int) {
	t.Helper()
	p := Start(t, cmd)
	code = p.Wait()
	return p.Out.String(), p.Log.String(), code
}

// Wait waits for the process to end by itself and gives its exit code, -1 if a signal ended it.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatalf("after %v still running: %s", Patience, p.cmd)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends s to the process and all that it started.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Fatal(err)
	}
}

// Until waits until ok is true of what x, Out or Log of the process, holds. It fails the test if the process ends before.
func (p *Process) Until(what string, x *Text, ok func(text string) bool) {
	p.t.Helper()
	patience := time.After(Patience)
	for {
		text, more := x.look()
		if ok(text) {
			return
		}
		select {
		case <-more:
		case <-p.done:
			if ok(x.String()) {
				return
			}
			p.t.Fatalf("%s: ended with exit code %d before: %s", p.cmd, p.cmd.ProcessState.ExitCode(), what)
		case <-patience:
			p.t.Fatalf("%s: after %v still not: %s", p.cmd, Patience, what)
		}
	}
}

// UntilReady waits for the line with which `weir serve` says that all that can start has started.
func (p *Process) UntilReady() {
	p.t.Helper()
	p.Until("a line that begins with ready", p.Out, func(text string) bool { return strings.Contains("\n"+text, "\nready") })
}

// Need skips the test if a program is not installed; where CI is set, that is a failure.
func Need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

// Root is the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "plugins.yaml")); missing == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no folder above holds plugins.yaml")
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal(err)
	return ""
}
