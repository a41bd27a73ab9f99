package dgram

import "syscall"

// Refuses tells whether what ICMP said of a datagram, or the system of a send, means that
// its destination does not want any: more would be a nuisance. What else it may be, such
// as a way that is down, can pass.
func Refuses(errno syscall.Errno) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.ENOPROTOOPT, syscall.EPROTO, syscall.EACCES, syscall.EPERM:
		return true
	}
	return false
}
