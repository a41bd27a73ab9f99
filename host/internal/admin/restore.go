package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"
)

// restoreInterval is how often the socket file is looked for: somebody, or something that cleans up folders, may have removed it. Chosen: it costs one
// stat, and nobody waits long for it.
const restoreInterval = time.Second

// socketDoor is a unix socket whose file comes back when it is removed. It is a net.Listener, and safe for concurrent use.
type socketDoor struct {
	path    string
	mu      sync.Mutex
	now     *net.UnixListener
	file    fs.FileInfo   // of the socket that now is bound to
	changed chan struct{} // closed when now changes
	closed  bool
}

// openSocket makes the socket.
func openSocket(path string) (*socketDoor, error) {
	d := &socketDoor{path: path, changed: make(chan struct{})}
	ln, file, err := d.bind()
	if err != nil {
		return nil, err
	}
	d.now, d.file = ln, file
	return d, nil
}

func (d *socketDoor) bind() (*net.UnixListener, fs.FileInfo, error) {
	ln, err := listenSocket(d.path)
	if err != nil {
		return nil, nil, err
	}
	u := ln.(*net.UnixListener)
	u.SetUnlinkOnClose(false) // the file may be another server's by then
	file, err := os.Lstat(d.path)
	if err != nil {
		u.Close()
		return nil, nil, fmt.Errorf("open admin socket: %w", err)
	}
	return u, file, nil
}

// restore binds the path anew if nothing is there any more. What somebody else has put there stays. It tells whether it did.
func (d *socketDoor) restore() (bool, error) {
	if _, err := os.Lstat(d.path); !errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, nil
	}
	ln, file, err := d.bind()
	if err != nil {
		return false, err
	}
	old := d.now
	d.now, d.file = ln, file
	close(d.changed)
	d.changed = make(chan struct{})
	old.Close()
	return true, nil
}

// Accept goes on with the new socket when the old one is replaced.
func (d *socketDoor) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		ln, changed := d.now, d.changed
		d.mu.Unlock()
		c, err := ln.Accept()
		if err == nil {
			return c, nil
		}
		select {
		case <-changed:
		default:
			return nil, err
		}
	}
}

// Addr is the socket's path.
func (d *socketDoor) Addr() net.Addr { return &net.UnixAddr{Name: d.path, Net: "unix"} }

// Close stops listening and removes the file, unless it is another server's.
func (d *socketDoor) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if there, err := os.Lstat(d.path); err == nil && os.SameFile(there, d.file) {
		_ = os.Remove(d.path) // who may not, leaves an orphan, which the next server replaces
	}
	return d.now.Close()
}

// keep restores the socket file until Close. It owns nothing else.
func (s *Server) keep(d *socketDoor, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	isFailing := false
	for {
		select {
		case <-s.closing:
			return
		case <-tick.C:
		}
		switch did, err := d.restore(); {
		case did:
			s.log.Warn("admin socket was removed; it is there again", "socket", d.path)
			isFailing = false
		case err != nil && !isFailing:
			s.log.Error("admin socket was removed and cannot be made again; this is tried again", "socket", d.path, "error", err)
			isFailing = true
		}
	}
}
