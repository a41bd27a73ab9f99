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
	uid, err := peerUID(sock)
	if err != nil {
		return fmt.Errorf("take-over connection: whose is the other side: %w", err)
	}
	if uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("take-over connection: the other side is of user %d, this one of %d", uid, os.Geteuid())
	}
	return nil
}
