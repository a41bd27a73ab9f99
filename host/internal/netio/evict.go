package netio

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// exhausted tells whether no descriptor is left. The kernel says so before it looks
// whether anybody has come.
func exhausted(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// queued tells whether a connection waits to be accepted.
func queued(s *net.TCPListener) (is bool) {
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		n, failed := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		is = n > 0 || failed != nil
	})
	return is || err != nil
}

// makeRoom frees a descriptor: it closes the connection that has shown nothing, or is
// owed nothing, for the longest time. false if there is none.
func (l *Listener) makeRoom() bool {
	undecided, since := l.sniffing.oldest()
	var c net.Conn
	if l.front != nil {
		c = l.front.waiting.evict(since)
	}
	switch {
	case c != nil:
	case undecided == nil:
		return false
	case l.sniffing.evict(undecided):
		c = undecided.tcp
	default:
		return true // it has just been decided: the next one
	}
	l.counts.evicted.Add(1)
	l.crowded.Do(func() {
		l.options.Log.Warn("no descriptors left: connections that are owed nothing make room", "listener", l.options.Name)
	})
	hardClose(c)
	return true
}
