package steer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// unavailable says what the error of an attempt to steer means. The kernel tells rights from age by errno only, and the library's texts about them mislead:
// EPERM is not a limit on locked memory, but for kernels before 5.11.
func unavailable(err error) *Unavailable {
	return explain(err, release(), lacking())
}

// explain is unavailable for a given kernel release and given missing rights.
func explain(err error, release string, lacking []string) *Unavailable {
	old := before(release, 5, 9)
	switch {
	case errors.Is(err, unix.EPERM) && len(lacking) > 0:
		return &Unavailable{Missing: strings.Join(lacking, " and "), Err: unix.EPERM}
	case errors.Is(err, unix.EPERM) && before(release, 5, 11):
		return &Unavailable{Missing: "more locked memory (ulimit -l, or LimitMEMLOCK= in the unit)", Err: unix.EPERM}
	case errors.Is(err, unix.EPERM):
		return &Unavailable{Missing: "to be allowed the bpf system call (outside of user namespaces, by seccomp and the security module)", Err: unix.EPERM}
	case old && (errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)):
		return &Unavailable{Missing: "a kernel from 5.9 on (this is " + release + ")", Err: err}
	case errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.ENOSYS):
		return &Unavailable{Missing: "a kernel built with CONFIG_BPF_SYSCALL and CONFIG_INET", Err: err}
	}
	return &Unavailable{Err: err}
}

// lacking names the capabilities that the calling thread needs and has not.
func lacking() []string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil
	}
	has := func(c int) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	if has(unix.CAP_SYS_ADMIN) {
		return nil // includes both (kernel/bpf/syscall.c, bpf_token_capable)
	}
	var names []string
	if !has(unix.CAP_BPF) {
		names = append(names, "CAP_BPF")
	}
	if !has(unix.CAP_NET_ADMIN) {
		names = append(names, "CAP_NET_ADMIN")
	}
	return names
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// before tells whether a release is older than a version. One that cannot be read is not.
func before(release string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(release, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a < major || a == major && b < minor
}
