package handover

import (
	"net"
	"syscall"
)

func peerOf(sock *net.UnixConn) (p peer, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return p, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			p = peer{pid: int(cred.Pid), uid: int(cred.Uid)}
		}
	})
	if controlErr != nil {
		return p, controlErr
	}
	return p, err
}
