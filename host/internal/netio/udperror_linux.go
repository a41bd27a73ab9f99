package netio

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readErrors empties a socket's error queue, in which the kernel keeps what ICMP says of
// datagrams that were sent, each with the peer it was for (ip(7), IP_RECVERR). It comes to
// any of the sockets that share an address, whichever sent.
func (s *udpSocket) readErrors(fd uintptr) {
	var l *UDPListener
	if s.reader != nil {
		l, _ = s.reader.sink.(*UDPListener)
	}
	var name unix.RawSockaddrInet6
	var payload [1]byte
	var control [512]byte
	var vector unix.Iovec
	for {
		vector.Base = &payload[0]
		vector.SetLen(len(payload))
		h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&name)), Namelen: unix.SizeofSockaddrInet6, Iov: &vector, Control: &control[0]}
		h.SetIovlen(1)
		h.SetControllen(len(control))
		_, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&h)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return
		}
		if l == nil || !refusal(control[:min(int(h.Controllen), len(control))]) {
			continue
		}
		remote, port, _ := getName(&name)
		for _, f := range l.table.refusing(remote, port) {
			f.finish(FlowRefused)
		}
	}
}

// refusal tells whether an error is ICMP's, and of a peer that wants no more.
func refusal(b []byte) bool {
	const originICMP, originICMP6, extendedBytes = 2, 3, 16 // linux/errqueue.h, struct sock_extended_err
	for len(b) >= unix.SizeofCmsghdr {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		length := int(c.Len)
		if length < unix.SizeofCmsghdr || length > len(b) {
			return false
		}
		data := b[min(unix.CmsgLen(0), length):length]
		isError := c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVERR || c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVERR
		if isError && len(data) >= extendedBytes && (data[4] == originICMP || data[4] == originICMP6) {
			return Refuses(unix.Errno(binary.NativeEndian.Uint32(data)))
		}
		b = b[min(unix.CmsgSpace(length-unix.CmsgLen(0)), len(b)):]
	}
	return false
}

// refusing gives the kept flows of a peer: others send it so little that its refusal says
// nothing.
func (t *flowTable) refusing(remote [16]byte, port uint16) (flows []*Flow) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := t.kept.newest; f != nil; f = f.age.older {
		if f.id.remotePort == port && f.id.remote == remote {
			flows = append(flows, f)
		}
	}
	return flows
}
