package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	socketMode = 0o600
	// dialTimeout bounds the question whether a server answers at a socket file. Chosen.
	dialTimeout = time.Second
)

// ErrInUse is in the error of Open when another server answers at the socket file.
var ErrInUse = errors.New("another server answers there")

// listenSocket makes a unix socket that only the owner may use. The file of a server that is dead is replaced; nothing else is.
func listenSocket(path string) (net.Listener, error) {
	unlock, err := lockFolder(path)
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	defer unlock()
	if err = removeOrphan(path); err != nil {
		return nil, fmt.Errorf("open admin socket %s: %w", path, err)
	}
	lc := net.ListenConfig{Control: ownerOnly}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		ln.Close()
		return nil, fmt.Errorf("open admin socket: %w", err)
	}
	return ln, nil
}

// Probe is an error if a server answers at a socket file. A path without one, or without the right to ask, is none.
func Probe(path string) error {
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err != nil {
		return nil //nolint:nilerr // nobody answers
	}
	conn.Close()
	return fmt.Errorf("open admin socket %s: %w; stop it, take its place (weir serve --takeover), or set admin.socket to another path", path, ErrInUse)
}

// removeOrphan removes the socket file of a dead server. That one is refused a connection, which a living server is not, tells them apart.
func removeOrphan(path string) error {
	found, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case found.Mode().Type() != fs.ModeSocket:
		return errors.New("a file that is no socket is there; remove it, or set admin.socket to another path")
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%w; stop it, take its place (weir serve --takeover), or set admin.socket to another path", ErrInUse)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("a socket is there, and whether a server still uses it is unknown: %w", err)
	}
	return os.Remove(path)
}
