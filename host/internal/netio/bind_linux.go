package netio

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenConfig has what a socket accepts inherit its keep-alive: left to Go, that is four
// calls for each connection.
var listenConfig = net.ListenConfig{KeepAlive: -1, Control: keepAlive}

// The probes of a connection on which nothing comes: chosen, as Go's.
const (
	keepAliveSeconds = 15
	keepAliveProbes  = 9
)

// keepAlive has the connections that a socket accepts inherit their probes. Without them
// they do as well, until their peers vanish.
func keepAlive(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveSeconds)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveSeconds)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveProbes)
	})
}
