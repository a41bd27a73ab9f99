package steer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// roleVariable makes TestChild of a process of this test binary play a role.
const roleVariable = "WEIR_STEER_TEST_ROLE"

// child is another process in the namespace.
type child struct {
	t       testing.TB
	command *exec.Cmd
	says    *bufio.Scanner
	tell    io.Writer
}

// start starts a process in the namespace and waits until it is ready.
func (ns *namespace) start(role string, files ...*os.File) *child {
	ns.t.Helper()
	c := &child{t: ns.t, command: exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.timeout=60s")}
	c.command.Env = append(os.Environ(), roleVariable+"="+role)
	c.command.Stderr = os.Stderr
	c.command.ExtraFiles = files
	out, err := c.command.StdoutPipe()
	if err != nil {
		ns.t.Fatal(err)
	}
	c.says = bufio.NewScanner(out)
	if c.tell, err = c.command.StdinPipe(); err != nil {
		ns.t.Fatal(err)
	}
	ns.do(func() {
		if err := c.command.Start(); err != nil {
			ns.t.Error(err)
		}
	})
	ns.t.Cleanup(c.kill)
	c.expect("ready")
	return c
}

func (c *child) expect(word string) {
	c.t.Helper()
	if !c.says.Scan() || c.says.Text() != word {
		c.t.Fatalf("the other process says %q instead of %q (%v)", c.says.Text(), word, c.says.Err())
	}
}

// kill is kill -9.
func (c *child) kill() {
	if c.command.ProcessState == nil {
		_ = c.command.Process.Kill()
		_ = c.command.Wait()
	}
}

// TestChild is the other process; on its own it does nothing.
func TestChild(t *testing.T) {
	role := os.Getenv(roleVariable)
	if role == "" {
		return
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go answer(l, "child")
	var table *Table
	switch role {
	case "open":
		table, err = Open(Options{})
	case "adopt":
		var files []*os.File
		for i := range filesCount {
			files = append(files, os.NewFile(uintptr(3+i), "steering"))
		}
		table, err = Adopt(files, Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	attach(t, table, "web", l.(*net.TCPListener))
	if role == "open" {
		set(t, table, "tcp 127.0.0.2 80 web", "tcp 127.0.0.3 80 web drop")
	}
	fmt.Fprintln(os.Stdout, "ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		set(t, table, strings.Split(in.Text(), ";")...)
		fmt.Fprintln(os.Stdout, "set")
	}
}

func TestKilled(t *testing.T) {
	ns := newNamespace(t)
	ns.table() // skips without rights
	ns.serve("other", "0.0.0.0:80")
	c := ns.start("open")
	ns.expect("127.0.0.1:80", "other")
	ns.expect("127.0.0.2:80", "child")
	ns.expect("127.0.0.3:80", "child")
	c.kill()
	ns.expect("127.0.0.2:80", "other")
	ns.expect("127.0.0.3:80", "other")
}

// crowd are workers that connect to an address one time after the other.
type crowd struct {
	stop    atomic.Bool
	asked   atomic.Int64
	failed  atomic.Int64
	seen    [4]atomic.Pointer[string] // the last answer that each worker got
	workers sync.WaitGroup
}

func (ns *namespace) crowd(address string) *crowd {
	c := &crowd{}
	for i := range c.seen {
		c.workers.Go(func() {
			ns.do(func() {
				for !c.stop.Load() {
					answer, err := ask(address)
					if err != nil {
						c.failed.Add(1)
						ns.t.Error(err)
						return
					}
					c.asked.Add(1)
					c.seen[i].Store(&answer)
				}
			})
		})
	}
	ns.t.Cleanup(c.end)
	return c
}

func (c *crowd) end() {
	c.stop.Store(true)
	c.workers.Wait()
}

// until waits until the last answer of every worker came from a server, so that no other has a connection of theirs in its queue.
func (c *crowd) until(t *testing.T, name string) {
	t.Helper()
	for i := range c.seen {
		for {
			if c.failed.Load() > 0 {
				t.FailNow()
			}
			if answer := c.seen[i].Load(); answer != nil && strings.HasPrefix(*answer, name+" at") {
				break
			}
			runtime.Gosched()
		}
	}
}

// Seven tables of one process and then another process take over from each other under connections, none of which fails.
func TestAdopt(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	table := ns.table()
	l := ns.serve("0", "127.0.0.1:0")
	attach(t, table, "web", l)
	set(t, table, "tcp 127.0.0.2 80 web", "udp 127.0.0.2 80 in", "tcp fd00:7::/64 20000-20999 web")
	crowd := ns.crowd("127.0.0.2:80")
	crowd.until(t, "0")
	for i := range 7 {
		files, err := table.Files()
		if err != nil {
			t.Fatal(err)
		}
		next, err := Adopt(files, Options{})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(i + 1)
		l2 := ns.serve(name, "127.0.0.1:0")
		attach(t, next, "web", l2)
		crowd.until(t, name)
		if err := table.Detach("web", TCP, false); err != nil { // has no effect: the socket is another's
			t.Fatal(err)
		}
		l.Close()
		if err := table.Close(); err != nil {
			t.Fatal(err)
		}
		set(t, next, "tcp 127.0.0.2 80 web", "udp 127.0.0.2 80 in", fmt.Sprintf("tcp 127.0.0.%d 80 web", i+3))
		table, l = next, l2
	}
	ns.expect("127.0.0.9:80", "7")
	ns.expect("127.0.0.8:80", "other")
	if s := stats(t, table, "web", TCP); int64(s.Lookups) < crowd.asked.Load() || s.Misses+s.Errors != 0 {
		t.Errorf("%d connections through all, counted: %+v", crowd.asked.Load(), s)
	}

	files, err := table.Files()
	if err != nil {
		t.Fatal(err)
	}
	c := ns.start("adopt", files...)
	closeAll(files)
	crowd.until(t, "child")
	l.Close()
	fmt.Fprintln(c.tell, "tcp 127.0.0.2 80 web;tcp 127.0.0.4 80 web")
	c.expect("set")
	ns.expect("127.0.0.4:80", "child")
	ns.expect("127.0.0.9:80", "other")
	if err := table.Set(nil); !errors.Is(err, ErrTaken) {
		t.Errorf("set after another process did: %v", err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	crowd.until(t, "child")
	crowd.end()
	t.Logf("8 hand-overs under %d connections, %d failed", crowd.asked.Load(), crowd.failed.Load())
	c.kill()
	ns.expect("127.0.0.2:80", "other")
}

// A process that adopts, changes the claims and dies leaves the table to the first one.
func TestResume(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	table := ns.table()
	l := ns.serve("weir", "127.0.0.1:0")
	attach(t, table, "web", l)
	set(t, table, "tcp 127.0.0.2 80 web")
	files, err := table.Files()
	if err != nil {
		t.Fatal(err)
	}
	c := ns.start("adopt", files...)
	closeAll(files)
	fmt.Fprintln(c.tell, "tcp 127.0.0.4 80 web;udp ::1 1-65535 in;tcp ::/0 80-90 web")
	c.expect("set")
	c.kill()
	ns.expect("127.0.0.2:80", "other")
	ns.expect("127.0.0.4:80", "other") // claimed, but its socket is gone
	if err := table.Attach("web", TCP, false, l); !errors.Is(err, ErrTaken) {
		t.Errorf("attach after another process's set: %v", err)
	}
	if err := table.Resume(); err != nil {
		t.Fatal(err)
	}
	attach(t, table, "web", l)
	set(t, table, "tcp 127.0.0.2 80 web")
	set(t, table, "tcp 127.0.0.3 80 web", "tcp 127.0.0.2 80 web")
	for address, name := range map[string]string{"127.0.0.2:80": "weir", "127.0.0.3:80": "weir", "127.0.0.4:80": "other"} {
		ns.expect(address, name)
	}
}

func TestAdoptRefusesWhatIsNoTable(t *testing.T) {
	ns := newNamespace(t)
	table := ns.table()
	if _, err := Adopt(nil, Options{}); err == nil {
		t.Error("no descriptors: no error")
	}
	for broken := range filesCount {
		files, err := table.Files()
		if err != nil {
			t.Fatal(err)
		}
		with := (broken + 1) % filesCount // one of another kind
		other, err := table.Files()
		if err != nil {
			t.Fatal(err)
		}
		files[broken], other[with] = other[with], files[broken]
		if broken == 0 {
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			files[0].Close()
			files[0] = null
		}
		if _, err := Adopt(files, Options{}); err == nil {
			t.Errorf("descriptor %d of another kind: no error", broken)
		}
		closeAll(slices.Delete(other, with, with+1))
	}
	set(t, table) // is still this one's
}

// keep gives up all capabilities of the calling thread but some.
func keep(t *testing.T, capabilities ...int) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, c := range capabilities {
		data[c/32].Effective |= 1 << (c % 32)
		data[c/32].Permitted |= 1 << (c % 32)
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Error(err)
	}
}

func TestWithoutRights(t *testing.T) {
	try := func(t *testing.T, capabilities ...int) {
		var err error
		onThread(func() {
			keep(t, capabilities...)
			_, err = Open(Options{})
		})
		var none *Unavailable
		if !errors.As(err, &none) || !errors.Is(err, unix.EPERM) {
			t.Fatalf("got %v", err)
		}
		want := map[int]string{0: "CAP_BPF and CAP_NET_ADMIN", unix.CAP_BPF: "CAP_NET_ADMIN", unix.CAP_NET_ADMIN: "CAP_BPF"}
		of := 0
		if len(capabilities) > 0 {
			of = capabilities[0]
		}
		if none.Missing != want[of] || strings.Contains(err.Error(), "MEMLOCK") {
			t.Errorf("missing %q; %v", none.Missing, err)
		}
	}
	t.Run("none", func(t *testing.T) { try(t) })
	newNamespace(t) // skips without rights
	t.Run("only CAP_BPF", func(t *testing.T) { try(t, unix.CAP_BPF) })
	t.Run("only CAP_NET_ADMIN", func(t *testing.T) { try(t, unix.CAP_NET_ADMIN) })
}

// The two capabilities are enough for all but the program's time.
func TestWithTheTwoRights(t *testing.T) {
	ns := newNamespace(t)
	ns.table() // skips without rights
	l := ns.serve("weir", "127.0.0.1:0")
	ns.do(func() {
		keep(t, unix.CAP_BPF, unix.CAP_NET_ADMIN)
		table, err := Open(Options{})
		if err != nil {
			t.Error(err)
			return
		}
		defer table.Close()
		attach(t, table, "web", l)
		set(t, table, "tcp 127.0.0.2 80 web")
		var answer string
		if answer, err = ask("127.0.0.2:80"); err != nil || !strings.HasPrefix(answer, "weir") {
			t.Errorf("got %q, %v", answer, err)
		}
		files, err := table.Files()
		if err != nil {
			t.Error(err)
			return
		}
		next, err := Adopt(files, Options{})
		if err != nil {
			t.Error(err)
			return
		}
		defer next.Close()
		set(t, next, "tcp 127.0.0.3 80 web")
		var none *Unavailable
		if _, _, err := next.ProgramTime(); !counting() && (!errors.As(err, &none) || !strings.Contains(none.Missing, "CAP_SYS_ADMIN")) {
			t.Errorf("program time without CAP_SYS_ADMIN: %v", err)
		}
	})
}
