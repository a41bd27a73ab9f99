package dgram

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestMaybeICMP: the kernel makes these of what ICMP says (net/ipv4/icmp.c,
// icmp_err_convert; net/ipv6/icmp.c, tab_unreach), and the others are the call's.
func TestMaybeICMP(t *testing.T) {
	for errno := range unix.Errno(200) {
		want := false
		switch errno {
		case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENOPROTOOPT, unix.ECONNREFUSED, unix.EMSGSIZE, unix.EOPNOTSUPP, unix.EHOSTDOWN, unix.ENONET, unix.EACCES, unix.EPROTO:
			want = true
		}
		if MaybeICMP(errno) != want {
			t.Errorf("%v: %v", errno, !want)
		}
		if only := errno == unix.ECONNREFUSED || errno == unix.EPROTO; OnlyICMP(errno) != only {
			t.Errorf("%v, only: %v", errno, !only)
		}
	}
}

// sender is a socket whose datagrams' errors are kept.
func sender(t *testing.T, v6 bool) (fd int) {
	t.Helper()
	family, level, option := unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	if v6 {
		family, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		t.Fatal(err)
	}
	return fd
}

// closed is an address that nobody listens at.
func closed(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// provoke sends a datagram to a name and waits for what ICMP says of it.
func provoke(fd int, n *Name) unix.Errno {
	for errno := unix.ECONNREFUSED; errno != 0; {
		_, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(n.Pointer())), 1, unix.MSG_NOSIGNAL,
			uintptr(unsafe.Pointer(n.Pointer())), uintptr(n.Len()))
		if errno != 0 && !OnlyICMP(errno) { // which the kernel tells once
			return errno
		}
	}
	wait := [1]unix.PollFd{{Fd: int32(fd)}}
	for {
		_, err := unix.Poll(wait[:], 10_000)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || wait[0].Revents&unix.POLLERR == 0:
			return unix.ETIMEDOUT
		default:
			return 0
		}
	}
}

// TestReadErrors: each error names the destination as it was put, in both families, the
// queue is empty afterwards, and nothing is allocated.
func TestReadErrors(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			fd := sender(t, netip.MustParseAddr(host).Is6())
			to := [2]netip.AddrPort{closed(t, host), closed(t, host)}
			for _, a := range to {
				var n Name
				n.PutAddrPort(a)
				if errno := provoke(fd, &n); errno != 0 {
					t.Fatal(errno)
				}
				heard := 0
				ReadErrors(uintptr(fd), func(of netip.AddrPort, why unix.Errno) {
					if of != a || why != unix.ECONNREFUSED {
						t.Errorf("%v: %v; want %v", of, why, a)
					}
					heard++
				})
				if heard != 1 {
					t.Errorf("%v: %d errors", a, heard)
				}
			}
			ReadErrors(uintptr(fd), func(of netip.AddrPort, why unix.Errno) { t.Errorf("again %v: %v", of, why) })
			var n Name
			n.PutAddrPort(to[0])
			heard, last := 0, netip.AddrPort{}
			if got := testing.AllocsPerRun(100, func() {
				provoke(fd, &n)
				ReadErrors(uintptr(fd), func(of netip.AddrPort, _ unix.Errno) {
					heard++
					last = of
				})
			}); got != 0 || heard < 100 || last != to[0] {
				t.Errorf("%v allocations, %d errors, the last of %v", got, heard, last)
			}
		})
	}
}

// TestReadErrorsOfNone: a descriptor that has no queue ends the loop.
func TestReadErrorsOfNone(t *testing.T) {
	fd := sender(t, false)
	for _, at := range []uintptr{uintptr(fd), ^uintptr(0)} {
		ReadErrors(at, func(of netip.AddrPort, why unix.Errno) { t.Errorf("%v: %v", of, why) })
	}
}

// option is one control message, padded.
func option(level, kind int32, data ...byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(data)))
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	c.Level, c.Type = level, kind
	c.SetLen(unix.CmsgLen(len(data)))
	copy(b[unix.CmsgLen(0):], data)
	return b
}

// extended is struct sock_extended_err (linux/errqueue.h).
func extended(errno unix.Errno, origin byte) []byte {
	return append(binary.NativeEndian.AppendUint32(nil, uint32(errno)), origin, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

func TestICMPError(t *testing.T) {
	four := option(unix.IPPROTO_IP, unix.IP_RECVERR, extended(unix.ECONNREFUSED, 2)...)
	six := option(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extended(unix.EHOSTUNREACH, 3)...)
	local := option(unix.IPPROTO_IP, unix.IP_RECVERR, extended(unix.EMSGSIZE, 1)...)
	other := option(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, 2, 3)
	long := append([]byte(nil), four...)
	(*unix.Cmsghdr)(unsafe.Pointer(&long[0])).SetLen(len(long) + 1)
	short := append([]byte(nil), four...)
	(*unix.Cmsghdr)(unsafe.Pointer(&short[0])).SetLen(unix.SizeofCmsghdr - 1)
	for name, c := range map[string]struct {
		b    []byte
		want unix.Errno
	}{
		"IPv4":            {four, unix.ECONNREFUSED},
		"IPv6":            {six, unix.EHOSTUNREACH},
		"after others":    {append(append(append([]byte(nil), other...), local...), six...), unix.EHOSTUNREACH},
		"not ICMP's":      {local, 0},
		"not of an error": {other, 0},
		"none":            {nil, 0},
		"cut":             {four[:len(four)-1], 0},
		"too short":       {option(unix.IPPROTO_IP, unix.IP_RECVERR, extended(unix.ECONNREFUSED, 2)[:15]...), 0},
		"length too long": {long, 0}, "length too short": {short, 0}, "after garbage": {append(append([]byte(nil), short...), four...), 0},
	} {
		if got, ok := icmpError(c.b); got != c.want || ok != (c.want != 0) {
			t.Errorf("%s: %v, %v; want %v", name, got, ok, c.want)
		}
	}
}

// FuzzICMPError: garbage ends the search, and what is whole is found as others find it.
func FuzzICMPError(f *testing.F) {
	four := option(unix.IPPROTO_IP, unix.IP_RECVERR, extended(unix.ECONNREFUSED, 2)...)
	six := option(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, extended(unix.EHOSTUNREACH, 3)...)
	f.Add(four)
	f.Add(six)
	f.Add(four[:17])
	f.Add(append(option(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, 2, 3), six...))
	f.Add(make([]byte, 48))
	f.Fuzz(func(t *testing.T, b []byte) {
		why, ok := icmpError(b)
		if !ok && why != 0 {
			t.Errorf("an error %v of nothing", why)
		}
		all, err := unix.ParseSocketControlMessage(b)
		if err != nil {
			return
		}
		for _, m := range all {
			h, data := m.Header, m.Data
			isError := h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR || h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR
			if isError && len(data) >= 16 && (data[4] == 2 || data[4] == 3) {
				if want := unix.Errno(binary.NativeEndian.Uint32(data)); !ok || why != want {
					t.Errorf("%v, %v; want %v", why, ok, want)
				}
				return
			}
		}
		if ok {
			t.Errorf("%v, which is not there", why)
		}
	})
}
