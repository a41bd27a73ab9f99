package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// sin sends a command and wants a fault of that kind, after which the instance is dead.
func sin(t *testing.T, i *instance, limit time.Duration, command string, want plugin.Kind) *plugin.Fault {
	t.Helper()
	frame := request(command)
	answer, f := i.Call(limit, frame)
	if f == nil || f.Kind != want || !f.Fatal() || answer != nil {
		t.Fatalf("%s: %d bytes, %+v; want %v", command, len(answer), f, want)
	}
	if f.During != "DATA" || string(f.Frame) != string(frame) || &f.Frame[0] == &frame[0] {
		t.Errorf("%s: during %q, %d bytes of its frame", command, f.During, len(f.Frame))
	}
	if _, again := i.Call(0, frame); again == nil || !errors.Is(again, errDead) {
		t.Errorf("a lost instance was called again: %v", again)
	}
	return f
}

// TestPanic: a panic ends its instance, not the process.
func TestPanic(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	guilty, other := instanceOf(t, g), instanceOf(t, g)
	pid := g.PID()
	f := sin(t, guilty, 0, "panic", plugin.Trap)
	if f.Lost || f.Cause.Error() != "panic: sin" || !strings.Contains(f.Stack, "(*sinner).do") {
		t.Errorf("%+v", f)
	}
	if got := ask(t, other, "echo alive"); got != "alive" || g.PID() != pid || g.Restarts() != 0 {
		t.Errorf("%q, process %d, was %d", got, g.PID(), pid)
	}
}

// TestDeathBlamesNobody: every call that was under way is lost, and the next process serves.
func TestDeathBlamesNobody(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	pid := g.PID()
	waiting := make(chan *plugin.Fault)
	for range 3 {
		i := instanceOf(t, g)
		ask(t, i, "echo here")
		go func() {
			_, f := i.Call(time.Minute, request("sleep"))
			waiting <- f
		}()
	}
	guilty := instanceOf(t, g)
	f := sin(t, guilty, 0, "exit", plugin.Exit)
	if !f.Lost || !f.Shared || !strings.Contains(f.Cause.Error(), "exit status 7") || !strings.Contains(f.Log, "farewell") {
		t.Errorf("%+v", f)
	}
	for range 3 {
		if f := <-waiting; f == nil || f.Kind != plugin.Exit || !f.Lost || !f.Shared {
			t.Errorf("%+v", f)
		}
	}
	if got := ask(t, instanceOf(t, g), "echo next"); got != "next" || g.PID() == pid || g.PID() == 0 || g.Restarts() != 1 {
		t.Errorf("%q, process %d after %d, %d restarts", got, g.PID(), pid, g.Restarts())
	}
}

// TestDeadline: a loop ends when it has used its time, a sleeper when nobody waits any longer.
func TestDeadline(t *testing.T) {
	for _, test := range []struct{ command, cause string }{
		{"spin", "ran longer than 50ms"},
		{"sleep", "did not answer within 1s, 20 times its limit"},
	} {
		t.Run(test.command, func(t *testing.T) {
			o, _ := options(t)
			g := opened(t, o)
			guilty := instanceOf(t, g)
			ask(t, guilty, "echo here")
			f := sin(t, guilty, 50*time.Millisecond, test.command, plugin.Deadline)
			if f.Lost || f.Shared || f.Cause.Error() != test.cause {
				t.Errorf("%+v", f)
			}
			if got := ask(t, instanceOf(t, g), "echo next"); got != "next" {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestDeadlineInCompany: while other calls are under way nobody is blamed for the time, the one that waits as little as the one that works. Made
// again, one after another, each shows what it does alone.
func TestDeadlineInCompany(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	waiter, worker := instanceOf(t, g), instanceOf(t, g)
	ask(t, waiter, "echo here")
	working := make(chan *plugin.Fault)
	go func() {
		_, f := worker.Call(time.Hour, request("spin"))
		working <- f
	}()
	for g.life.now().traffic.count() == 0 { // nobody tells of a call that begins
		runtime.Gosched()
	}
	f := sin(t, waiter, 50*time.Millisecond, "sleep", plugin.Deadline)
	if !f.Lost || !f.Shared || !strings.HasPrefix(f.Cause.Error(), "did not answer within 1s") || !strings.HasSuffix(f.Cause.Error(), "other calls were under way in its process") {
		t.Errorf("%+v", f)
	}
	if f := <-working; f == nil || f.Kind != plugin.Exit || !f.Lost || !f.Shared {
		t.Errorf("the other call: %+v", f)
	}
	var all sync.WaitGroup
	for command, says := range map[string]string{"sleep": "did not answer within 1s, 20 times its limit", "spin": "ran longer than 50ms"} {
		i := instanceOf(t, g)
		all.Go(func() {
			if _, f := i.Call(50*time.Millisecond, request(command)); f == nil || f.Kind != plugin.Deadline || f.Lost || f.Cause.Error() != says {
				t.Errorf("%+v", f)
			}
		})
	}
	all.Wait()
}

// TestDeathInTurn: calls that are made again after a death are made one after another, so that a second death is of the call that brings it.
func TestDeathInTurn(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	sin(t, instanceOf(t, g), 0, "exit", plugin.Exit)
	faults := make(chan *plugin.Fault)
	for n := range 6 {
		i := instanceOf(t, g)
		command := "nap"
		if n == 3 {
			command = "exit"
		}
		go func() {
			_, f := i.Call(0, request(command))
			faults <- f
		}()
	}
	guilty := 0
	for range 6 {
		if f := <-faults; f != nil {
			guilty++
			if !f.Lost || f.Shared || !strings.Contains(f.Cause.Error(), "exit status 7") {
				t.Errorf("%+v", f)
			}
		}
	}
	if guilty != 1 {
		t.Errorf("%d calls were lost with one that ends the process", guilty)
	}
}

// TestStopped: a process that somebody stops is as good as one that sleeps.
func TestStopped(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	i := instanceOf(t, g)
	ask(t, i, "echo here")
	if err := syscall.Kill(g.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !stopped(t, g.PID()); runtime.Gosched() { // each thread stops by itself, and nobody is told
		if time.Now().After(end) {
			t.Fatal("it runs on")
		}
	}
	sin(t, i, 5*time.Millisecond, "echo", plugin.Deadline)
}

// stopped tells whether all threads of a process are (proc(5), stat).
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte(") T ")) {
			return false
		}
	}
	return true
}

func TestCodes(t *testing.T) {
	o, _ := options(t)
	i := instanceOf(t, opened(t, o))
	if _, f := i.Call(0, make([]byte, abi.UsualBox+1)); f == nil || f.Fatal() || !errors.Is(f, abi.ETOOBIG) {
		t.Errorf("%+v", f)
	}
	if _, f := i.Call(0, []byte{1, 2, 3}); f == nil || f.Kind != plugin.Protocol || f.Fatal() || !errors.Is(f, abi.EINVAL) {
		t.Errorf("%+v", f)
	}
	if got := ask(t, i, "echo on"); got != "on" {
		t.Errorf("%q", got)
	}
}

// TestMemory: a process that takes more than its memory dies, and says why.
func TestMemory(t *testing.T) {
	o, _ := options(t)
	o.Limits.Memory = 128 << 20
	f := sin(t, instanceOf(t, opened(t, o)), time.Minute, "eat", plugin.Memory)
	if !f.Lost || !strings.Contains(f.Log, "out of memory") {
		t.Errorf("%+v", f)
	}
}

// TestInstancesAreApart: what an instance remembers is its own.
func TestInstancesAreApart(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	a, b := instanceOf(t, g), instanceOf(t, g)
	ask(t, a, "calls")
	if got := ask(t, a, "calls") + ask(t, b, "calls"); got != "21" {
		t.Errorf("%q", got)
	}
}

// TestMove: an instance outlives a process that dies between its calls, with what OPEN told it.
func TestMove(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	i, idle := instanceOf(t, g), instanceOf(t, g)
	for _, each := range []*instance{i, idle} {
		if _, f := each.Call(0, opening("mark")); f != nil {
			t.Fatalf("%+v", f)
		}
	}
	for range 2 {
		run := g.life.now().run
		if err := syscall.Kill(run.pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-run.done
		for _, each := range []*instance{i, idle} {
			if got := ask(t, each, "opened"); got != "mark" {
				t.Errorf("opened with %q", got)
			}
		}
	}
	if n := g.Restarts(); n != 2 {
		t.Errorf("%d restarts", n)
	}
}
