package session

import "golang.org/x/sys/unix"

func closeFD(fd int) { _ = unix.Close(fd) }

func duplicateFD(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }
