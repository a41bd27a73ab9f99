package handover

import (
	"net"
	"syscall"
)

func peerUID(sock *net.UnixConn) (uid int, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	if controlErr != nil {
		return 0, controlErr
	}
	return uid, err
}
