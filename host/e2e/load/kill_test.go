//go:build linux

package load_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
)

// TestKilled: the whole process is killed during a broadcast, and a fresh one takes its place, with nothing cleaned up between.
func TestKilled(t *testing.T) {
	dir := shortFolder(t)
	at := freeAddress(t)
	program := filepath.Join(dir, "weir")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/weir").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	config := strings.ReplaceAll(plugins, "127.0.0.1:0", at) + "points:\n  live: {source: push, buffer: 10s, grace: 5s}\ncache_dir: cache\n"
	for _, name := range []string{"push", "asf", "mpegts", "wmsp", "http"} {
		write(t, filepath.Join(dir, name+".wasm"), hosttest.Build(t, "../../../plugins/"+name))
		config = strings.ReplaceAll(config, "builtin:"+name, name+".wasm")
	}
	write(t, filepath.Join(dir, "plugins.yaml"), []byte(config))
	client, err := admin.NewClient("unix:"+filepath.Join(dir, "weir.sock"), "")
	if err != nil {
		t.Fatal(err)
	}

	const lead = 11 * time.Second
	f := asfFilm(t, 0, lead+slack, megabit)
	a := newAudience(t)
	kills := scale(3, 100)
	for i := range kills + 1 {
		began := time.Now().Truncate(time.Millisecond)
		p := start(t, program, dir)
		st, err := client.Status(context.Background())
		if err != nil || st.Started.Before(began) {
			t.Fatalf("start %d: status of a server that started at %v: %v; the log:\n%s", i, st.Started, err, p.log())
		}
		e := push(t, at, "live", f, i%2 == 0, lead)
		within(t, "the point is live", func() bool {
			st, err := client.Status(context.Background())
			return err == nil && len(st.Points[0].Renditions) == 2 && st.Points[0].Renditions[1].NextSequence >= uint64(lead/f.step)-1
		})
		seats := sit(20, habit{}, f.overHTTP("live"), f.overMMSH("live"))
		a.join(at, seats)
		a.watched(seats, int(e.sent.Load()))
		if i == kills {
			p.stop()
			if _, err := os.Lstat(filepath.Join(dir, "weir.sock")); !os.IsNotExist(err) {
				t.Errorf("the socket is still there after a clean end: %v", err)
			}
			break
		}
		p.kill()
		e.kill()
		a.wait("are closed", seats, func(s *seat) bool { return s.closed })
		if _, err := os.Lstat(filepath.Join(dir, "weir.sock")); err != nil {
			t.Fatalf("a kill leaves the socket: %v", err)
		}
	}
}

// shortFolder is one whose path leaves room for a socket's name (unix(7): 107 bytes).
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress is one that nobody listens on; plugins.yaml takes no port 0.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is a weir on its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd

	mu   sync.Mutex
	text bytes.Buffer
	done chan struct{} // closed when its output has ended
}

// start runs `weir serve` and waits for its line that begins with "ready".
func start(t *testing.T, program, dir string, args ...string) *process {
	t.Helper()
	args = append([]string{"serve", "-c", filepath.Join(dir, "plugins.yaml"), "--drain", "1s"}, args...)
	p := &process{t: t, cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stderr = p
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	ready := make(chan struct{})
	go func() {
		defer close(p.done)
		for s, told := bufio.NewScanner(out), false; s.Scan(); {
			fmt.Fprintln(p, s.Text())
			if !told && strings.HasPrefix(s.Text(), "ready") {
				told = true
				close(ready)
			}
		}
	}()
	select {
	case <-ready:
	case <-p.done:
		t.Fatalf("weir ended:\n%s", p.log())
	case <-time.After(4 * patience): // fifty modules may have to be compiled
		t.Fatalf("weir is not ready after %v:\n%s", patience, p.log())
	}
	return p
}

// Write keeps output.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// kill ends it as the kernel does when memory is short. It may be called again.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		<-p.done
		_ = p.cmd.Wait()
	}
}

// stop asks it to end and expects it to do so well.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	alarm := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer alarm.Stop()
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("weir ended with %v:\n%s", err, p.log())
	}
}
