package proc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// await returns when the process has ended, and leaves it to be reaped: until then nobody else gets its number.
func await(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// killGroup ends a process group whose leader is not reaped yet.
func killGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) } // it may be dead already

// clock tells a process's CPU time. It belongs to one goroutine at a time.
type clock struct {
	id   int32
	spec unix.Timespec
}

// clockOf makes the number of the clock that counts all threads of a process (clock_getcpuclockid(3), as the kernel composes it).
func clockOf(pid int) clock {
	const ofProcess, scheduled = 0, 2
	return clock{id: int32(^pid<<3 | ofProcess | scheduled)}
}

// now is 0 once the process is gone.
func (c *clock) now() time.Duration {
	if unix.ClockGettime(c.id, &c.spec) != nil {
		return 0
	}
	return time.Duration(c.spec.Nano())
}

// connect connects to a socket that an account made in a folder of its own. What lies at the path may change at any time, so it is opened, which
// follows no link, and judged before it is used; and whoever listens must be the account.
func connect(path string, account uint32) (net.Conn, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the program's socket: %w", os.NewSyscallError("open", err))
	}
	defer unix.Close(fd)
	var about unix.Stat_t
	if err = unix.Fstat(fd, &about); err != nil {
		return nil, fmt.Errorf("program's socket: %w", os.NewSyscallError("fstat", err))
	}
	if about.Mode&unix.S_IFMT != unix.S_IFSOCK || about.Uid != account {
		return nil, fmt.Errorf("what the program says is its socket is not one, or is not of user %d", account)
	}
	conn, err := net.Dial("unix", "/proc/self/fd/"+strconv.Itoa(fd))
	if err != nil {
		return nil, fmt.Errorf("connect to the program: %w", err)
	}
	if err = checkPeer(conn.(*net.UnixConn), account); err != nil {
		_ = conn.Close() // nothing was written
		return nil, err
	}
	return conn, nil
}

func checkPeer(conn *net.UnixConn, account uint32) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if failed != nil {
		return os.NewSyscallError("getsockopt", failed)
	}
	if peer.Uid != account {
		return fmt.Errorf("user %d listens at the program's socket, not user %d", peer.Uid, account)
	}
	return nil
}
