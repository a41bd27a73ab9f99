package steer

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Attach makes a socket the one that claims of this listener, protocol and family lead to, in place of the one before, which keeps the connections
// that it has taken. The socket listens (TCP) or is unconnected (UDP) on any address and port, best an ephemeral one of the loopback interface, so that
// nobody meets it by chance. A socket of IPv6 that is not v6-only serves both families when it is attached for each. Its address is not what clients
// dialled: that is what accepted connections tell, and IP_RECVORIGDSTADDR for datagrams. The caller keeps the socket; once it is closed
// everywhere, look-ups miss. One with MPTCP, which Go listens with unless told otherwise, and one in a reuseport array are refused.
func (t *Table) Attach(listener string, p Protocol, v6 bool, socket syscall.Conn) error {
	fail := func(err error) error {
		return fmt.Errorf("listener %s: attach %v socket to steering: %w", listener, p, err)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fail(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.owned(); err != nil {
		return fail(err)
	}
	var slot uint32
	var inner error
	if err := raw.Control(func(fd uintptr) { slot, inner = t.place(destination{listener, p}, v6, int(fd)) }); err != nil {
		return fail(err)
	}
	if errors.Is(inner, unix.EBUSY) {
		inner = fmt.Errorf("it is a member of a reuseport array, attach another: %w", inner)
	}
	if inner != nil {
		return fail(inner)
	}
	var cookie uint64
	if err := t.objects.Sockets.Lookup(slot, &cookie); err != nil {
		return fail(err)
	}
	t.cookies[slot] = cookie
	return nil
}

// place puts a descriptor into its slot.
func (t *Table) place(d destination, v6 bool, fd int) (slot uint32, err error) {
	if err = fits(fd, d.Protocol, v6); err != nil {
		return 0, err
	}
	n, err := t.number(d)
	if err != nil {
		return 0, err
	}
	slot = slotOf(n, v6)
	return slot, t.objects.Sockets.Put(slot, uint64(fd))
}

func slotOf(n uint32, v6 bool) uint32 {
	if v6 {
		return n*2 + 1
	}
	return n * 2
}

// fits tells why a socket would not get look-ups, which the program could only count.
func fits(fd int, p Protocol, v6 bool) error {
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return err
	}
	want := unix.IPPROTO_TCP
	if p == UDP {
		want = unix.IPPROTO_UDP
	}
	switch {
	case protocol == unix.IPPROTO_MPTCP:
		return errors.New("it is an MPTCP socket: listen with SetMultipathTCP(false)")
	case protocol != want:
		return fmt.Errorf("it is a socket of IP protocol %d", protocol)
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return err
		}
		if only != 0 && !v6 {
			return errors.New("it is an IPv6-only socket, and IPv4 was asked for")
		}
		return nil
	}
	if v6 {
		return errors.New("it is not an IPv6 socket")
	}
	return nil
}

// Detach takes out the socket that this table attached. Look-ups then miss. Where another process has put its own in place meanwhile, that stays.
func (t *Table) Detach(listener string, p Protocol, v6 bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	n, ok := t.destinations[destination{listener, p}]
	if !ok {
		return nil
	}
	slot := slotOf(n, v6)
	mine, ok := t.cookies[slot]
	delete(t.cookies, slot)
	var cookie uint64
	if err := t.objects.Sockets.Lookup(slot, &cookie); !ok || err != nil || cookie != mine {
		return nil // closed, or another's
	}
	if err := t.objects.Sockets.Delete(slot); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("listener %s: detach %v socket from steering: %w", listener, p, err)
	}
	return nil
}
