package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// lastWords is how long a dead process's output is read on, should somebody else hold it open; chosen.
const lastWords = 200 * time.Millisecond

// running is the process group of one program, as go-plugin wants to see it: it begins with Start, and ends once it is reaped.
type running struct {
	cmd     *exec.Cmd
	stop    context.Context // whose end ends the process
	dir     string          // where its socket must be
	socket  string          // where it says that it is
	account uint32          // whose socket it must be
	wire    *wire           // the one connection to it; nil before
	said    io.Writer       // takes what it writes to standard output after its first line
	out     *os.File
	err     *os.File
	pid     int
	done    chan struct{} // closed when it is reaped
	how     string        // it ended; set before done is closed
	mu      sync.Mutex
	living  bool // not reaped, so that its number is its own
	spent   *Spent
}

var _ runner.Runner = (*running)(nil)

// Start implements runner.Runner.
func (r *running) Start(context.Context) error {
	r.done = make(chan struct{})
	var writers [2]*os.File
	var err error
	if r.out, writers[0], err = os.Pipe(); err != nil {
		return err
	}
	if r.err, writers[1], err = os.Pipe(); err != nil {
		return errors.Join(err, r.out.Close(), writers[0].Close())
	}
	r.cmd.Stdout, r.cmd.Stderr = writers[0], writers[1]
	started := make(chan error)
	go r.keep(started)
	err = <-started
	err = errors.Join(err, writers[0].Close(), writers[1].Close())
	if err != nil {
		r.closePipes()
	}
	return err
}

// keep starts the process, reaps it and ends what it left of its group. It owns the thread, whose end would end the process (package launch); the
// thread ends with it.
func (r *running) keep(started chan<- error) {
	runtime.LockOSThread()
	if err := r.cmd.Start(); err != nil {
		started <- err
		return
	}
	r.pid, r.living = r.cmd.Process.Pid, true
	r.spent.begin(r)
	started <- nil
	forget := context.AfterFunc(r.stop, r.kill)
	await(r.pid)
	forget()
	r.mu.Lock()
	killGroup(r.pid)
	_ = r.cmd.Wait() // says by an error what ProcessState says in words
	r.spent.end(r)
	r.living = false
	r.mu.Unlock()
	r.how = "the process ended: " + r.cmd.ProcessState.String()
	deadline := time.Now().Add(lastWords)
	_, _ = r.out.SetReadDeadline(deadline), r.err.SetReadDeadline(deadline) // pipes have deadlines
	close(r.done)
}

// kill ends the process and its group, at once. It may be called at any time.
func (r *running) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.living {
		killGroup(r.pid)
	}
}

// over reports whether the process has ended.
func (r *running) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *running) closePipes() {
	_, _ = r.out.Close(), r.err.Close() // reading ends
}

// Kill implements runner.Runner.
func (r *running) Kill(context.Context) error {
	r.kill()
	return nil
}

// Wait implements runner.Runner.
func (r *running) Wait(context.Context) error {
	<-r.done
	return nil
}

// PluginToHost implements runner.Runner. A program cannot make weir connect to somebody else's socket.
func (r *running) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(address)) != r.dir {
		return "", "", fmt.Errorf("the program listens at %s %q, not in the folder %s that it was given", network, address, r.dir)
	}
	r.socket = filepath.Clean(address)
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (*running) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// dial makes the one connection. When it has ended there is no other: all instances went with it.
func (r *running) dial() (net.Conn, error) {
	if r.wire != nil {
		return nil, errors.New("its connection ended")
	}
	conn, err := connect(r.socket, r.account)
	if err != nil {
		return nil, err
	}
	r.wire = &wire{Conn: conn, closed: make(chan struct{})}
	return r.wire, nil
}

// Stdout implements runner.Runner.
func (r *running) Stdout() io.ReadCloser { return &greeting{File: r.out, rest: r.said} }

func (r *running) Stderr() io.ReadCloser         { return r.err }
func (r *running) Name() string                  { return "plugin" }
func (r *running) ID() string                    { return strconv.Itoa(r.pid) }
func (*running) Diagnose(context.Context) string { return "" }

// wire is a connection that tells when gRPC has given it up.
type wire struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

// isClosed is false for a connection that there never was.
func (w *wire) isClosed() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// greeting is a program's standard output, of which go-plugin wants the first line only and throws away what follows.
type greeting struct {
	*os.File
	rest  io.Writer
	whole bool // the line
}

// Read implements io.Reader. Once the line is read it returns at the end of the output.
func (g *greeting) Read(b []byte) (int, error) {
	for {
		n, err := g.File.Read(b)
		text := b[:n]
		if !g.whole {
			line, rest, whole := bytes.Cut(text, []byte{'\n'})
			if !whole {
				return n, err
			}
			g.whole = true
			_, _ = g.rest.Write(rest) // it never fails
			return len(line) + 1, err
		}
		_, _ = g.rest.Write(text)
		if err != nil {
			_, _ = g.rest.Write([]byte{'\n'}) // for a line that was not ended
			return 0, err
		}
	}
}
