package handover

import (
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// strangers gives a side of a connection whose other side is nobody's.
func strangers(t *testing.T) *net.UnixConn {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	runtime.LockOSThread() // whose effective user it is, is a matter of the thread
	defer runtime.UnlockOSThread()
	become := func(uid uintptr) {
		const same = ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, same, uid, same); errno != 0 {
			t.Fatal(errno)
		}
	}
	become(nobody)
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	become(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Close(fds[1])
	f := os.NewFile(uintptr(fds[0]), "pair")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}

// TestPredecessorOfAnotherUser: another user's process is refused with what to do, and named for the log of the one that is to be taken over.
func TestPredecessorOfAnotherUser(t *testing.T) {
	sock := strangers(t)
	err := CheckPeer(sock)
	if err == nil {
		t.Fatal("another user's process is welcome")
	}
	for _, want := range []string{"the other side is of user 65534, this one of 0", "run the command as user 65534", "DynamicUser", "systemctl reload applies"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if err := NewConn(sock).Stranger(); err == nil || !strings.Contains(err.Error(), "of user 65534 cannot take over from this one, which is of user 0") {
		t.Errorf("for the log: %v", err)
	}
	a, _ := pair(t)
	if err := a.Stranger(); err != nil {
		t.Errorf("one of the same user: %v", err)
	}
}
