package deliver

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/dgram"
)

// room is how many messages the batch still takes.
func (s *udpSocket) room() int { return batchMessages - s.n }

// add puts one message into the batch: b goes to the viewer in datagrams of size bytes.
func (s *udpSocket) add(v *Viewer, b []byte, size int) {
	i := s.n
	s.n++
	d := v.udp
	s.owners[i] = owner{v, v.feed, int32(size)}
	s.vectors[i].Base = unsafe.SliceData(b)
	s.vectors[i].SetLen(len(b))
	h := &s.headers[i].Hdr
	h.Name = d.name.Pointer()
	h.Namelen = d.name.Len()
	h.Iov = &s.vectors[i]
	h.SetIovlen(1)
	n, cut := 0, 0
	if len(b) > size {
		cut = size
	}
	if cut != s.segment {
		n = putSegment(s.controls[i][:], uint16(cut))
	}
	if s.key.From.IsValid() {
		n += putSource(s.controls[i][n:], s.key.From)
	}
	h.Control = nil
	if n > 0 {
		h.Control = &s.controls[i][0]
	}
	h.SetControllen(n)
}

// putSegment writes the option that has the kernel or the device cut (udp(7)); with 0 it
// does not.
func putSegment(b []byte, size uint16) int {
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	c.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(b[unix.CmsgLen(0):], size)
	return unix.CmsgSpace(2)
}

// putSource writes the option that names the source address.
func putSource(b []byte, from netip.Addr) int {
	sixteen := from.As16()
	return dgram.PutSource(b, from.Is6(), &sixteen, 0)
}

// maxReported is how often a send is tried again that failed for what may be said of an
// earlier one. Chosen: each try takes what ICMP has said since the one before.
const maxReported = 8

// send sends the socket's batch. It tells whether all of it is gone.
func (u *udpWorker) send(s *udpSocket, now time.Duration) bool {
	first, tries := 0, 0
	for first < s.n {
		u.totals.calls.Add(1)
		n, errno := sendMessages(s.fd, s.headers[first:s.n])
		if errno == 0 {
			u.sent(s, first, n)
			first, tries = first+n, 0
			continue
		}
		switch {
		case errno == unix.EINTR:
		case tries < maxReported && dgram.MaybeICMP(errno):
			tries++
			u.readErrors(s)
		case errno == unix.EAGAIN || dgram.OnlyICMP(errno):
			u.totals.full.Add(1)
			s.keep(first)
			s.full = true
			return false
		default:
			u.refused(s, first, errno)
			first, tries = first+1, 0
		}
	}
	s.keep(s.n)
	s.full = false
	return true
}

// sent counts messages that the kernel took.
func (u *udpWorker) sent(s *udpSocket, first, n int) {
	datagrams := 0
	for i := first; i < first+n; i++ {
		datagrams += s.owners[i].sum(int(s.vectors[i].Len))
	}
	u.totals.datagrams.Add(uint64(datagrams))
	u.totals.messages.Add(uint64(n))
}

// sum counts a message of n bytes that was sent, but for its viewer, and gives how many
// datagrams it was.
func (o *owner) sum(n int) int {
	o.feed.sum.bytes += uint64(n)
	o.feed.sum.sends++
	if o.feed.viewers == 0 { // nobody else does it any more
		o.feed.flush()
	}
	return o.datagrams(n)
}

// datagrams is how many a message of n bytes makes.
func (o *owner) datagrams(n int) int { return (n + int(o.size) - 1) / int(o.size) }

// took counts a datagram of n bytes that was sent by itself.
func (o *owner) took(n int) {
	o.viewer.udp.count(o.viewer, n, 1)
	o.sum(n)
}

// discard drops the batch of a socket that is closed.
func (u *udpWorker) discard(s *udpSocket) {
	for i := range s.n {
		o, n := &s.owners[i], int(s.vectors[i].Len)
		o.viewer.udp.uncount(o.viewer, n, o.datagrams(n))
		u.drop(o.viewer, DropNoBuffer, o.datagrams(n))
	}
	s.keep(s.n)
}

// keep moves what was not sent to the batch's begin.
func (s *udpSocket) keep(sent int) {
	rest := s.n - sent
	for i := range rest {
		at := sent + i
		b := unsafe.Slice(s.vectors[at].Base, int(s.vectors[at].Len))
		o := s.owners[at]
		s.n = i
		s.add(o.viewer, b, int(o.size))
		s.owners[i] = o
	}
	for i := rest; i < sent+rest; i++ {
		s.owners[i], s.vectors[i].Base, s.headers[i].Hdr.Name = owner{}, nil, nil
	}
	s.n = rest
}

// refused handles a message that the kernel did not take.
func (u *udpWorker) refused(s *udpSocket, i int, errno unix.Errno) {
	o := &s.owners[i]
	v := o.viewer
	b := unsafe.Slice(s.vectors[i].Base, int(s.vectors[i].Len))
	count := o.datagrams(len(b))
	v.udp.uncount(v, len(b), count)
	switch {
	case errno == unix.ENOBUFS || errno == unix.ENOMEM:
		u.drop(v, DropNoBuffer, count)
	case count > 1 && (errno == unix.EINVAL || errno == unix.EIO || errno == unix.EMSGSIZE || errno == unix.EOPNOTSUPP):
		v.udp.plain = true
		u.sendPlain(s, o, b)
	case errno == unix.EMSGSIZE:
		u.drop(v, DropTooBig, count)
	default:
		u.drop(v, DropUnreachable, count)
		u.fail(v, errno, true)
	}
}

// sendPlain sends the datagrams of one message one by one, where the kernel or the device
// does not cut.
func (u *udpWorker) sendPlain(s *udpSocket, o *owner, b []byte) {
	v, size := o.viewer, int(o.size)
	var control [cmsgBytes]byte
	one := unix.Mmsghdr{}
	vector := unix.Iovec{}
	one.Hdr.Name, one.Hdr.Namelen = v.udp.name.Pointer(), v.udp.name.Len()
	one.Hdr.Iov = &vector
	one.Hdr.SetIovlen(1)
	used := 0
	if s.segment > 0 {
		used = putSegment(control[:], 0)
	}
	if s.key.From.IsValid() {
		used += putSource(control[used:], s.key.From)
	}
	if used > 0 {
		one.Hdr.Control = &control[0]
		one.Hdr.SetControllen(used)
	}
	for tries := 0; len(b) > 0; {
		n := min(size, len(b))
		vector.Base = unsafe.SliceData(b)
		vector.SetLen(n)
		u.totals.calls.Add(1)
		_, errno := sendMessages(s.fd, unsafe.Slice(&one, 1))
		switch {
		case errno == unix.EINTR:
			continue
		case tries < maxReported && dgram.MaybeICMP(errno):
			tries++
			u.readErrors(s)
			continue
		case errno == 0:
			o.took(n)
			u.totals.datagrams.Add(1)
			u.totals.messages.Add(1)
		case errno == unix.EMSGSIZE:
			u.drop(v, DropTooBig, 1)
		case errno == unix.EAGAIN || errno == unix.ENOBUFS || errno == unix.ENOMEM || dgram.OnlyICMP(errno):
			u.drop(v, DropNoBuffer, 1)
		default:
			u.drop(v, DropUnreachable, (len(b)+size-1)/size)
			u.fail(v, errno, true)
			return
		}
		b, tries = b[n:], 0
	}
}

// sendMessages makes a call that cannot wait, so that the scheduler need not know.
func sendMessages(fd int, messages []unix.Mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(messages))),
		uintptr(len(messages)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
