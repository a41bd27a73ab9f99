package netio

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// pairBytes is the send buffer of both ends of a pair, which the kernel doubles: chosen,
// so that little waits where nobody's lag rule sees it. The delivery pool sets its own.
const pairBytes = 64 << 10

// socket is what a Conn speaks to its peer through: a TCP connection, or one end of a
// pair whose other end a relay carries on to the peer.
type socket interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
	SyscallConn() (syscall.RawConn, error)
}

// relayed is a Conn's end of a pair. Closing it tells the relay.
type relayed struct {
	*net.UnixConn
	reset  atomic.Bool
	hangUp func(reset bool) // nil once the descriptor is another's
}

// SetLinger with 0 makes the Close that follows a reset of the peer's connection.
func (r *relayed) SetLinger(seconds int) error {
	r.reset.Store(seconds == 0)
	return nil
}

// Close closes this end; what the pair holds still goes to the peer, but for a reset.
func (r *relayed) Close() error {
	err := r.UnixConn.Close()
	if r.hangUp != nil {
		r.hangUp(r.reset.Load())
	}
	return err
}

// openPair makes two connected stream sockets.
func openPair() (near, far *net.UnixConn, err error) {
	syscall.ForkLock.RLock() // not every system closes on exec from the beginning
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	for _, fd := range fds { // FileConn makes them non-blocking
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, pairBytes)
		}
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if err == nil {
			var c net.Conn
			if c, err = net.FileConn(f); err == nil {
				ends[i] = c.(*net.UnixConn)
			}
		}
		f.Close() // FileConn made a duplicate
	}
	if err != nil {
		for _, c := range ends {
			if c != nil {
				c.Close()
			}
		}
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return ends[0], ends[1], nil
}
