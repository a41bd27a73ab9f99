package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// twoCores are the first two that this program may use.
func twoCores() (cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cores{}, fmt.Errorf("cores: %w", err)
	}
	var list []int
	for i := 0; i < 8*len(set)*8 && len(list) < 2; i++ {
		if set.IsSet(i) {
			list = append(list, i)
		}
	}
	if len(list) < 2 {
		return cores{}, errors.New("cores: two are needed, one for the server and one for its viewers")
	}
	return cores{list[0], list[1]}, nil
}

// nobody is Debian's user without rights, which servers get that refuse to run as root.
const nobody = 65534

// setApart gives a command a process group of its own, which ends with this program whatever happens to it.
func setApart(cmd *exec.Cmd, asNobody bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if asNobody && os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
}

// signalGroup sends a signal to the group of a command that was set apart.
func signalGroup(cmd *exec.Cmd, sig syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, sig) }

// raiseFiles lets the processes that are started open a descriptor for each viewer. It gives how many.
func raiseFiles() int {
	const wanted = 1 << 20
	l := syscall.Rlimit{Cur: wanted, Max: wanted}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		return wanted
	}
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	l.Cur = l.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(l.Cur)
}

// processTime is the processor time that a process took so far, to the nanosecond: /proc counts in steps of 10 ms. The number of its clock is made as
// clock_getcpuclockid(3) makes it.
func processTime(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// idleTime is how long all cores were idle since the machine started, in steps of 10 ms.
func idleTime() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var name string
	var user, nice, system, idle, wait int64
	if _, err := fmt.Sscan(line, &name, &user, &nice, &system, &idle, &wait); err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(idle+wait) * 10 * time.Millisecond, nil
}

// softwareInterrupts are the kernel's threads that carry packets on where a process may not: what they take is the measured servers' doing.
func softwareInterrupts() []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range all {
		if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), "ksoftirqd/") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "Linux"
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}
