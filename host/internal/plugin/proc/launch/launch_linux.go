package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// program is the descriptor of the executable in the launcher.
const program = 3

// Command gives a Cmd that becomes the program that file holds, with as as its argv[0]. Its Env, Stdout and Stderr are the caller's to set; it
// has a session and a process group of its own, whose number is its pid. Starting it may fail later than Start does: the launcher says on
// standard error what it could not do and ends with status 127.
func Command(s Spec, file *os.File, as string, args ...string) (*exec.Cmd, error) {
	s.Parent = os.Getpid()
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe") // the running binary, even if another lies at its path by now
	cmd.Args = append([]string{name, string(text), as}, args...)
	cmd.Env = []string{} // nil would be weir's own
	cmd.Dir = "/"        // weir's own may lie where the program's user does not come
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if s.Switch && Isolates() {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	return cmd, nil
}

// Isolates reports whether programs of other users get a process namespace of their own here: with the program then ends all that it has started,
// whatever session or group that has made its own. It needs root, or CAP_SYS_ADMIN, which a container may lack. The first call tries it.
var Isolates = sync.OnceValue(func() bool {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{probe}, []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	return cmd.Run() == nil
})

func init() { //nolint:gochecknoinits // it has to come before main, in every binary that launches
	if len(os.Args) == 1 && os.Args[0] == probe {
		if os.Getpid() != 1 {
			os.Exit(failed)
		}
		os.Exit(0)
	}
	if len(os.Args) < 3 || os.Args[0] != name {
		return
	}
	err := become(os.Args[1], os.Args[2:])
	_, _ = os.Stderr.WriteString("[ERROR] launch: " + err.Error() + "\n")
	os.Exit(failed)
}

// become gives up what the Spec does not leave, and turns into the program. It returns only on an error. Init functions run on the main thread,
// whose credentials and flags are those that the program gets.
func become(spec string, args []string) error {
	var s Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	if err := unix.CloseRange(program, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		// Before Linux 5.11: Go opened all of its own descriptors so, and the one it was given remains.
		unix.CloseOnExec(program)
	}
	unix.Umask(0o077)
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	path, err := syscall.BytePtrFromString(fmt.Sprintf("/proc/self/fd/%d", program))
	if err != nil {
		return err
	}
	if err := limit(&s); err != nil {
		return err
	}
	if err := drop(&s); err != nil {
		return err
	}
	// A change of user clears the signal that the parent asked for (prctl(2), PR_SET_PDEATHSIG).
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("parent's death signal: %w", err)
	}
	if orphaned(&s) {
		return errors.New("weir is gone")
	}
	complaint := []byte("[ERROR] launch: start the program: ")
	if err := limitMemory(&s); err != nil {
		return err
	}
	// Nothing is allocated from here on: the launcher itself may be larger than the program may become.
	_, _, errno := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])))
	why := errno.Error()
	_, _ = syscall.Write(2, complaint)
	_, _ = syscall.Write(2, unsafe.Slice(unsafe.StringData(why), len(why)))
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, failed, 0, 0)
	}
}

// orphaned reports whether the parent ended before its death signal was asked for.
func orphaned(s *Spec) bool {
	if os.Getpid() != 1 {
		return unix.Getppid() != s.Parent
	}
	// In a process namespace of its own a process has no parent that it could see. But the parent reads what this one says.
	poll := []unix.PollFd{{Fd: 2}}
	_, err := unix.Poll(poll, 0)
	return err != nil || poll[0].Revents&unix.POLLERR != 0
}

func limit(s *Spec) error {
	for _, l := range []struct {
		what  int
		name  string
		value uint64
		set   bool
	}{
		{unix.RLIMIT_CORE, "core size", 0, true},
		{unix.RLIMIT_FSIZE, "file size", s.FileSize, s.FileSize > 0},
		{unix.RLIMIT_NOFILE, "open files", s.Files, s.Files > 0},
		{unix.RLIMIT_NPROC, "processes", s.Processes, s.Processes > 0},
	} {
		if !l.set {
			continue
		}
		if err := set(l.what, l.value); err != nil {
			return fmt.Errorf("limit of %s: %w", l.name, err)
		}
	}
	return nil
}

func limitMemory(s *Spec) error {
	if s.Data > 0 {
		if err := set(unix.RLIMIT_DATA, s.Data); err != nil {
			return fmt.Errorf("limit of memory: %w", err)
		}
	}
	if s.Address > 0 {
		if err := set(unix.RLIMIT_AS, s.Address); err != nil {
			return fmt.Errorf("limit of address space: %w", err)
		}
	}
	return nil
}

// set lowers a limit; one that is lower already stays.
func set(what int, value uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(what, &now); err != nil {
		return err
	}
	value = min(value, now.Max)
	return syscall.Setrlimit(what, &syscall.Rlimit{Cur: value, Max: value})
}

// drop gives up the user, the capabilities and the way back to them.
func drop(s *Spec) error {
	if s.Switch {
		for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) // without CAP_SETPCAP there is no_new_privs alone, which is enough
		}
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("give up groups: %w; to run plugins as another user weir needs root", err)
		}
		if err := syscall.Setresgid(int(s.GID), int(s.GID), int(s.GID)); err != nil {
			return fmt.Errorf("become group %d: %w; to run plugins as another user weir needs root", s.GID, err)
		}
		if err := syscall.Setresuid(int(s.UID), int(s.UID), int(s.UID)); err != nil {
			return fmt.Errorf("become user %d: %w; to run plugins as another user weir needs root", s.UID, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("give up ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	return nil
}
