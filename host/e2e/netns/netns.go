//go:build linux

// Package netns makes network namespaces for proofs that need addresses and ports of their own: port 80, servers that hold every address, kernel settings.
//
// It owns the namespaces, which are gone when their test ends, however it ends. Names of programs and functions to run in one come in; commands and
// results go out. It never touches the namespace that the test began in.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Space is a network namespace with its loopback up. Its methods may be called by any goroutine; those that fail the test by the test's own only.
type Space struct {
	t    testing.TB
	name string
}

var made atomic.Int64 // for names that are unique beside the process's id

// Need skips the test where namespaces cannot be made. As root with CI set that is a failure: a skipped proof must not look like a passed one.
func Need(t testing.TB) {
	t.Helper()
	reason := ""
	switch _, err := exec.LookPath("ip"); {
	case os.Getuid() != 0:
		t.Skip("network namespaces need root")
	case err != nil:
		reason = "ip is not installed; it is in the package iproute2"
	default:
		reason = tryUnshare()
	}
	switch {
	case reason == "":
	case os.Getenv("CI") != "":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// tryUnshare gives the kernel's reason why there are no namespaces.
func tryUnshare() (reason string) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	if err := <-done; err != nil {
		return "no network namespaces here: " + err.Error()
	}
	return ""
}

// New makes a namespace whose loopback has these addresses too, such as "10.1.2.3/32"; all of 127.0.0.0/8 and ::1 are there anyway.
func New(t testing.TB, addresses ...string) *Space {
	t.Helper()
	Need(t)
	sweep(t)
	s := &Space{t: t, name: fmt.Sprintf("weir-test-%d-%d", os.Getpid(), made.Add(1))}
	run(t, "ip", "netns", "add", s.name)
	t.Cleanup(func() { run(t, "ip", "netns", "delete", s.name) })
	run(t, "ip", "-n", s.name, "link", "set", "lo", "up")
	for _, a := range addresses {
		arguments := []string{"-n", s.name, "addr", "add", a, "dev", "lo"}
		if strings.Contains(a, ":") {
			arguments = append(arguments, "nodad") // otherwise nobody can be bound to it for a second
		}
		run(t, "ip", arguments...)
	}
	return s
}

// sweep removes what test processes left that were killed.
func sweep(t testing.TB) {
	t.Helper()
	entries, _ := os.ReadDir("/run/netns") // not there before the first namespace
	for _, e := range entries {
		var owner, n int
		if _, err := fmt.Sscanf(e.Name(), "weir-test-%d-%d", &owner, &n); err != nil {
			continue
		}
		if err := unix.Kill(owner, 0); errors.Is(err, unix.ESRCH) {
			_ = exec.Command("ip", "netns", "delete", e.Name()).Run() // another test may be at it too
		}
	}
}

func run(t testing.TB, program string, arguments ...string) {
	t.Helper()
	if out, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", program, strings.Join(arguments, " "), err, out)
	}
}

// Command is a command that runs in the namespace, under the process id that it is started with.
func (s *Space) Command(program string, arguments ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", s.name, program}, arguments...)...)
}

// Do runs f in the namespace. Sockets that f makes stay in it; goroutines that f starts are not in it.
func (s *Space) Do(f func()) {
	s.t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: no other goroutine may run on this thread
		err := s.enter()
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
}

// enter moves the calling thread.
func (s *Space) enter() error {
	place, err := os.Open(filepath.Join("/run/netns", s.name)) // ip-netns(8)
	if err != nil {
		return fmt.Errorf("namespace: %w", err)
	}
	defer place.Close()
	if err := unix.Setns(int(place.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("namespace %s: %w", s.name, err)
	}
	return nil
}

// Set writes a kernel setting of the namespace, such as "net/ipv4/ip_unprivileged_port_start".
func (s *Space) Set(name, value string) {
	s.t.Helper()
	var err error
	s.Do(func() { err = os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644) })
	if err != nil {
		s.t.Fatal(err)
	}
}

// Wire joins two namespaces by a pair of interfaces, up, each with an address such as "10.77.0.1/24". Groups of IPv4 are routed to them.
func Wire(s *Space, name, address string, to *Space, peer, there string) {
	s.t.Helper()
	run(s.t, "ip", "link", "add", name, "netns", s.name, "type", "veth", "peer", "name", peer, "netns", to.name)
	for _, end := range []struct{ space, name, address string }{{s.name, name, address}, {to.name, peer, there}} {
		run(s.t, "ip", "-n", end.space, "addr", "add", end.address, "dev", end.name)
		run(s.t, "ip", "-n", end.space, "link", "set", end.name, "up")
		run(s.t, "ip", "-n", end.space, "route", "add", "224.0.0.0/4", "dev", end.name) // RFC 5771
	}
}
