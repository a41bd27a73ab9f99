package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// cores are two numbers of processor cores: a server has one for itself, everything else shares the other.
type cores struct{ server, load int }

// child is a process that this program started, in a group of its own. Close ends the group; calling it twice is harmless.
type child struct {
	cmd  *exec.Cmd
	tail *tail
	done chan struct{} // closed when the process has ended
}

// spawn runs a program on a core.
func spawn(core int, asNobody bool, name string, args ...string) (*child, error) {
	c := &child{cmd: pinned(core, name, args...), tail: &tail{}, done: make(chan struct{})}
	setApart(c.cmd, asNobody)
	c.cmd.Stdout, c.cmd.Stderr = c.tail, c.tail
	c.cmd.WaitDelay = time.Second
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() { // ends with the process, which Close ends
		_ = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

// pinned is a command on one core: taskset becomes the program, so its process is the program's.
func pinned(core int, name string, args ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", strconv.Itoa(core), name}, args...)...)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// close asks the group to end, makes it after two seconds (chosen), and waits.
func (c *child) close() {
	signalGroup(c.cmd, syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(2 * time.Second):
	}
	signalGroup(c.cmd, syscall.SIGKILL)
	<-c.done
}

// failed says that the child ended too early, with its last words.
func (c *child) failed() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s ended: %v: %s", c.cmd.Args[3], c.cmd.ProcessState, c.tail.String())
	default:
		return nil
	}
}

// tail keeps the last lines that a process wrote. Safe for concurrent use.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10 // chosen: some lines

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailBytes; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}

// closers end what a service is made of, the last one first.
type closers []func()

func (c *closers) add(f func()) { *c = append(*c, f) }

func (c *closers) close() {
	for i := len(*c) - 1; i >= 0; i-- {
		(*c)[i]()
	}
	*c = nil
}

// until polls f each 20 ms until it is done or fails, or the time is over, or the child has ended. Nothing but asking tells when another server is ready.
func until(patience time.Duration, c *child, f func() (bool, error)) error {
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		done, err := f()
		if done {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			last = err
		}
		if c != nil {
			if err := c.failed(); err != nil {
				return err
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	return fmt.Errorf("not ready after %v: %w", patience, last)
}
