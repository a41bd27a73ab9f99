package load_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// deafen has viewers read nothing from now on.
func (a *audience) deafen(seats []*seat) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range seats {
		if err := unix.EpollCtl(a.epoll, unix.EPOLL_CTL_DEL, s.fd, nil); err != nil {
			a.t.Fatalf("epoll: %v", err)
		}
	}
}

// rush lets viewers join as fast as this machine can connect them. What costs time without being a viewer's wait is done before the first one asks.
func (a *audience) rush(at string, seats []*seat) {
	a.t.Helper()
	to := netip.MustParseAddrPort(at)
	address := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	a.see(func() {
		for _, s := range seats {
			fd, err := s.socket()
			if err != nil {
				a.t.Fatalf("viewer: %v", err)
			}
			s.fd = fd
			a.seats[int32(fd)] = s
		}
	})
	for _, s := range seats {
		s.asked = time.Now()
		err := unix.Connect(s.fd, address)
		if err == nil {
			_, err = unix.Write(s.fd, []byte(s.form.request))
		}
		if err == nil {
			err = unix.SetNonblock(s.fd, true)
		}
		if err == nil {
			err = unix.EpollCtl(a.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)})
		}
		if err != nil {
			a.t.Fatalf("viewer: %v", err)
		}
	}
}

// delays is how long units take from the encoder to one viewer, by the kernel's clock at the viewer. It belongs to the audience; nil notes nothing.
type delays struct {
	sent *encoder
	from int // the first unit that counts
	list []time.Duration
}

// note takes the units that came with the bytes of that time.
func (d *delays) note(first, next int, at time.Time) {
	if d == nil {
		return
	}
	for i := max(first, d.from); i < next; i++ {
		d.list = append(d.list, at.Sub(time.Unix(0, d.sent.clock[i].Load())))
	}
}

// middle is the median; 0 of none.
func middle(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

// kernelSocket is what the kernel holds for a TCP socket of this machine (sock_diag(7)).
type kernelSocket struct {
	state   uint8
	remote  string // address and port
	queued  uint32 // bytes of memory that what is to be sent takes, SK_MEMINFO_WMEM_QUEUED
	unsent  uint32 // bytes that the peer has not acknowledged
	dropped uint32 // of a listening socket: connections that found no room
}

// Parts of linux/inet_diag.h and sock_diag.h, and states of net/tcp_states.h.
const (
	diagByFamily      = 20
	diagRequestBytes  = 16 + 56 // with the netlink head
	diagMessageBytes  = 72
	diagMemory        = 7 // INET_DIAG_SKMEMINFO
	memoryQueued      = 5
	memoryDrops       = 8
	stateEstablished  = 1
	stateListening    = 10
	netlinkHeadBytes  = 16
	netlinkDone       = 3
	netlinkError      = 2
	netlinkDumpsAsked = unix.NLM_F_REQUEST | unix.NLM_F_DUMP
)

// kernelSockets lists the IPv4 sockets whose own port is that and whose state is one of these.
func kernelSockets(port uint16, states ...uint8) (all []kernelSocket, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	ask := make([]byte, diagRequestBytes)
	native := binary.NativeEndian
	native.PutUint32(ask, diagRequestBytes)
	native.PutUint16(ask[4:], diagByFamily)
	native.PutUint16(ask[6:], netlinkDumpsAsked)
	ask[16], ask[17], ask[18] = unix.AF_INET, unix.IPPROTO_TCP, 1<<(diagMemory-1)
	for _, s := range states {
		native.PutUint32(ask[20:], native.Uint32(ask[20:])|1<<s)
	}
	binary.BigEndian.PutUint16(ask[24:], port)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return nil, fmt.Errorf("sock_diag: %w", err)
		}
		for b := buf[:n]; len(b) >= netlinkHeadBytes; {
			size := int(native.Uint32(b))
			if size < netlinkHeadBytes || size > len(b) {
				return nil, errors.New("sock_diag: a message is cut short")
			}
			switch native.Uint16(b[4:]) {
			case netlinkDone:
				return all, nil
			case netlinkError:
				return nil, fmt.Errorf("sock_diag: %w", unix.Errno(-int32(native.Uint32(b[16:]))))
			}
			if size >= netlinkHeadBytes+diagMessageBytes {
				all = append(all, parseSocket(b[netlinkHeadBytes:size]))
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

// parseSocket takes one inet_diag_msg and its attributes.
func parseSocket(b []byte) (s kernelSocket) {
	native := binary.NativeEndian
	s.state = b[1]
	s.remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[24:])), binary.BigEndian.Uint16(b[6:])).String()
	s.unsent = native.Uint32(b[60:])
	for b = b[diagMessageBytes:]; len(b) >= 4; {
		size, kind := int(native.Uint16(b)), native.Uint16(b[2:])
		if size < 4 || size > len(b) {
			break
		}
		if v := b[4:size]; kind == diagMemory && len(v) >= 4*(memoryDrops+1) {
			s.queued, s.dropped = native.Uint32(v[4*memoryQueued:]), native.Uint32(v[4*memoryDrops:])
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return s
}
