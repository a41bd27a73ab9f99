package dgram

import (
	"syscall"
	"testing"
)

func TestRefuses(t *testing.T) {
	for errno, want := range map[syscall.Errno]bool{
		0: false, syscall.ECONNREFUSED: true, syscall.ENOPROTOOPT: true, syscall.EPROTO: true, syscall.EACCES: true, syscall.EPERM: true,
		syscall.EHOSTUNREACH: false, syscall.ENETUNREACH: false, syscall.EMSGSIZE: false, syscall.ENOBUFS: false,
	} {
		if got := Refuses(errno); got != want {
			t.Errorf("%v: %v", errno, got)
		}
	}
}
