package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

const socketMode = 0o600

// Listen makes a unix socket at path that only its owner may use. What was there is replaced in one step, and stays reachable for those who were
// connected. Closing the listener leaves the file alone.
func Listen(path string) (*net.UnixListener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	defer dir.Close()
	name := filepath.Base(path)
	aside := fmt.Sprintf("%s.%d", name, os.Getpid())
	full := filepath.Join(filepath.Dir(path), aside)
	_ = os.Remove(full)
	lc := net.ListenConfig{Control: ownerOnly}
	ln, err := lc.Listen(context.Background(), "unix", within(dir, aside))
	if err != nil {
		return nil, fmt.Errorf("open socket %s: %w", path, err)
	}
	l := ln.(*net.UnixListener)
	l.SetUnlinkOnClose(false)
	err = os.Chmod(full, socketMode)
	if err == nil {
		err = os.Rename(full, path)
	}
	if err != nil {
		_ = os.Remove(full)
		l.Close()
		return nil, fmt.Errorf("open socket: %w", err)
	}
	return l, nil
}

// within names a file of an open folder in few bytes: a socket's name may have 107 (unix(7)).
func within(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// ownerOnly has bind create the socket file with mode 0600 at once: Linux takes the mode from the socket's inode.
func ownerOnly(_, _ string, c syscall.RawConn) error {
	var failed error
	if err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), socketMode) }); err != nil {
		return err
	}
	return failed
}

// ErrNobody is in the error of Dial when no server answers at the path.
var ErrNobody = errors.New("no server to take over from")

// Dial connects to the server at path, if it is this user's or root's.
func Dial(path string) (*Conn, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("take-over connection: %w: %w", ErrNobody, err)
	}
	defer dir.Close()
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: within(dir, filepath.Base(path))})
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("take-over connection: %w at %s", ErrNobody, path)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("take-over connection: %s: %w; %s", path, err, runAs(ownerOf(path)))
	case err != nil:
		return nil, fmt.Errorf("take-over connection: %s: %w", path, err)
	}
	if err := CheckPeer(sock); err != nil {
		sock.Close()
		return nil, err
	}
	return NewConn(sock), nil
}

// CheckPeer refuses a peer that is another user's process; root's is welcome.
func CheckPeer(sock *net.UnixConn) error {
	p, err := peerOf(sock)
	if err != nil {
		return fmt.Errorf("take-over connection: whose is the other side: %w", err)
	}
	if p.uid != 0 && p.uid != os.Geteuid() {
		return fmt.Errorf("take-over connection: the other side is of user %d, this one of %d; %s", p.uid, os.Geteuid(), runAs(p.uid))
	}
	return nil
}

// peer is the process at the other end of a socket.
type peer struct{ pid, uid int }

// unknown is a user whom nothing tells.
const unknown = -1

func ownerOf(path string) int {
	st, err := os.Stat(path)
	if err != nil {
		return unknown
	}
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return unknown
}

// runAs says what helps where two processes are of different users.
func runAs(uid int) string {
	as := "as the user whose server runs"
	if uid != unknown {
		as = fmt.Sprintf("as user %d, whose server runs", uid)
	}
	return "run the command " + as + ". For a systemd unit with DynamicUser=, systemctl reload applies a configuration; a take-over is started from the unit itself, not by root"
}

// Stranger says in words for the log who is at the other side, if that process will not take over from this one because it is of another user; nil if it
// is of the same.
func (c *Conn) Stranger() error {
	p, err := peerOf(c.sock)
	if err != nil || p.uid == os.Geteuid() {
		return nil //nolint:nilerr // who is not known is judged elsewhere
	}
	return fmt.Errorf("process %d of user %d cannot take over from this one, which is of user %d; %s", p.pid, p.uid, os.Geteuid(), runAs(os.Geteuid()))
}
