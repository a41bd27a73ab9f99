package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/plugin/proc/launch"
)

// TestContainment reads from inside what a process has.
func TestContainment(t *testing.T) {
	o, _ := options(t)
	o.Limits.Memory, o.Files, o.Processes = 200<<20, 40, 300
	g := opened(t, o)
	i := instanceOf(t, g)
	status := ask(t, i, "read /proc/self/status")
	for _, want := range []string{"NoNewPrivs:\t1", "CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "Umask:\t0077"} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	if os.Geteuid() == 0 {
		uid, gid, err := find("nobody")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{fmt.Sprintf("Uid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", uid), fmt.Sprintf("Gid:\t%d\t%[1]d\t%[1]d\t%[1]d\n", gid), "Groups:\t \n", "CapBnd:\t0000000000000000\n"} {
			if !strings.Contains(status, want) {
				t.Errorf("no %q in\n%s", want, status)
			}
		}
	}
	limits := ask(t, i, "read /proc/self/limits")
	for name, want := range map[string]uint64{"Max data size": 200 << 20, "Max address space": 200<<20 + spareAddress, "Max open files": 40, "Max processes": 300, "Max core file size": 0, "Max file size": fileSize} {
		line := limits[max(strings.Index(limits, name), 0):]
		if fields := strings.Fields(strings.TrimPrefix(line, name)); len(fields) < 2 || fields[0] != strconv.FormatUint(want, 10) || fields[1] != fields[0] {
			t.Errorf("%s: %.60q; want %d", name, line, want)
		}
	}
	if env := ask(t, i, "env"); strings.Contains(env, "PATH=") || !strings.Contains(env, "GOMEMLIMIT=157286400") {
		t.Errorf("environment\n%s", env)
	}
	if dir := ask(t, i, "link /proc/self/cwd"); dir != "/" {
		t.Errorf("works in %q", dir)
	}
	pid := g.PID()
	if group, err := unix.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d of process %d: %v", group, pid, err)
	}
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("session %d of process %d: %v", session, pid, err)
	}
}

// TestDescriptors: a process has nothing open that weir had.
func TestDescriptors(t *testing.T) {
	secret, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	if _, err := unix.FcntlInt(secret.Fd(), unix.F_SETFD, 0); err != nil { // one that would be inherited
		t.Fatal(err)
	}
	o, _ := options(t)
	list := strings.Fields(ask(t, instanceOf(t, opened(t, o)), "descriptors"))
	for _, d := range list {
		// The runtime of Go opens the files in /sys by itself.
		mine := slices.ContainsFunc([]string{"pipe:", "socket:", "anon_inode:", "/dev/null", "/proc/", "/sys/fs/cgroup/"}, func(own string) bool { return strings.HasPrefix(d, own) })
		if !mine {
			t.Errorf("open: %s", d)
		}
	}
	if len(list) == 0 || len(list) > 20 {
		t.Errorf("%d descriptors: %q", len(list), list)
	}
}

// TestFolder: the socket lies where nobody but the account and weir come.
func TestFolder(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	outer, err := os.Stat(g.dir.path)
	if err != nil || outer.Mode().Perm() != 0o711 {
		t.Fatalf("%v %v", outer.Mode(), err)
	}
	inner, err := os.ReadDir(g.dir.path)
	if err != nil || len(inner) != 1 {
		t.Fatalf("%d entries, %v", len(inner), err)
	}
	about, err := inner[0].Info()
	if err != nil || about.Mode().Perm() != 0o700 {
		t.Fatalf("%v %v", about.Mode(), err)
	}
}

// TestGroupDies: what a process started ends with it.
func TestGroupDies(t *testing.T) {
	o, _ := options(t)
	g := opened(t, o)
	i := instanceOf(t, g)
	if got := ask(t, i, "child"); got != "<nil>" {
		t.Skipf("no child: %s", got)
	}
	pid := g.PID()
	if n := members(t, pid); n != 2 {
		t.Fatalf("%d processes in the group", n)
	}
	run := g.life.now().run
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-run.done
	if n := members(t, pid); n != 0 {
		t.Errorf("%d processes of the group are left", n)
	}
}

// TestNoneEscapes: a child with a session of its own ends with the process too, where weir may make process namespaces.
func TestNoneEscapes(t *testing.T) {
	if os.Geteuid() != 0 || !launch.Isolates() {
		if os.Geteuid() == 0 && os.Getenv("CI") == "true" {
			t.Fatal("root cannot make a process namespace")
		}
		t.Skip("needs root, and the right to make process namespaces")
	}
	o, _ := options(t)
	g := opened(t, o)
	time := fmt.Sprintf("100000.%d", os.Getpid()) // by which it is known
	if got := ask(t, instanceOf(t, g), "escape "+time); got != "<nil>" {
		t.Fatal(got)
	}
	sleepers := func() (pids []int) {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range all {
			text, _ := os.ReadFile(path)
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if strings.HasSuffix(string(text), "\x00"+time+"\x00") {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	for len(sleepers()) == 0 { // nobody tells of a process that is not ours
		runtime.Gosched()
	}
	run := g.life.now().run
	run.kill()
	<-run.done
	for _, pid := range sleepers() {
		t.Errorf("process %d escaped: %v", pid, unix.Kill(pid, unix.SIGKILL))
	}
}

// members counts the living processes of a group.
func members(t *testing.T, group int) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // proc(5): state, ppid, pgrp
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" {
			n++
		}
	}
	return n
}
