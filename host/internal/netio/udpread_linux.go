package netio

import (
	"errors"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/dgram"
)

// A reader takes up to batchDatagrams with one call, each into its own part of
// a buffer of which the system provides what is touched: chosen.
const (
	batchDatagrams = 32
	datagramBytes  = 64 << 10 // the most that a UDP length can say (RFC 768)
)

// retryAfterError is the pause after a failed read: chosen.
const retryAfterError = 100 * time.Millisecond

// maxReported is how many errors in a row one read takes for what ICMP says: chosen.
const maxReported = 64

// maxFailures is how often in a row a reader is tried again that cannot wait: chosen.
const maxFailures = 10

// udpReader owns the reading side of a socket.
type udpReader struct {
	socket *udpSocket
	sink   arrivals
	key    FlowKey
	done   chan struct{} // closed at the loop's end
	drops  uint32        // by the kernel so far
	lost   uint64        // since last asked
	in     messages
	run    run
}

// messages are what one call receives.
type messages struct {
	call    func(fd uintptr) bool // receive, made once
	got     int
	errno   unix.Errno
	buffers []byte
	batch   [batchDatagrams]arrival

	headers  [batchDatagrams]unix.Mmsghdr
	vectors  [batchDatagrams]unix.Iovec
	names    [batchDatagrams]dgram.Name
	controls [batchDatagrams][controlBytes]byte
}

// arrivals takes batches; they are valid during the call.
type arrivals interface {
	arrived(r *udpReader, batch []arrival)
	// unread tells of a read that failed, after which the reader goes on.
	unread(errno unix.Errno)
	// failed tells of the reader's end by an error.
	failed(err error)
}

func newUDPReader(s *udpSocket, sink arrivals, key FlowKey) *udpReader {
	r := &udpReader{socket: s, sink: sink, key: key, done: make(chan struct{}), drops: s.dropped()}
	r.run.init()
	m := &r.in
	m.buffers = make([]byte, batchDatagrams*datagramBytes)
	m.call = r.receive
	for i := range m.headers {
		h := &m.headers[i].Hdr
		m.vectors[i].Base = &m.buffers[i*datagramBytes]
		m.vectors[i].SetLen(datagramBytes)
		h.Iov = &m.vectors[i]
		h.SetIovlen(1)
		h.Name = m.names[i].Pointer()
		h.Control = &m.controls[i][0]
	}
	s.reader = r
	return r
}

// loop reads until stop or the socket's end.
func (r *udpReader) loop() {
	defer close(r.done)
	for failures := 0; ; {
		err := r.turn()
		switch {
		case err == nil:
			failures = 0
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		case failures < maxFailures:
			// Go's poller gives up a socket that has an error to tell and nothing else
			// (internal/poll, ErrNotPollable), which the next event mends.
			failures++
			<-time.After(retryAfterError)
		default:
			r.sink.failed(err)
			return
		}
	}
}

// turn waits for datagrams and hands them on.
func (r *udpReader) turn() error {
	if err := r.socket.raw.Read(r.in.call); err != nil {
		return err
	}
	r.hand()
	if r.in.errno != 0 {
		r.sink.unread(r.in.errno)
		<-time.After(retryAfterError)
	}
	return nil
}

func (r *udpReader) hand() {
	if r.in.got > 0 {
		r.sink.arrived(r, r.in.batch[:r.in.got])
	}
}

// empty hands on what the socket holds, and goes on reading. Nothing must be on
// its way to the socket.
func (r *udpReader) empty() {
	r.stop()
	for more := true; more; r.hand() {
		if r.socket.raw.Control(func(fd uintptr) { more = r.receive(fd) && r.in.errno == 0 }) != nil {
			return
		}
	}
	r.done = make(chan struct{})
	r.socket.conn.SetReadDeadline(time.Time{})
	go r.loop()
}

// stop ends the loop and waits for that; the socket stays open.
func (r *udpReader) stop() {
	r.socket.conn.SetReadDeadline(aLongTimeAgo)
	<-r.done
}

// receive takes what is there; false means nothing.
func (r *udpReader) receive(fd uintptr) bool {
	m := &r.in
	for i := range m.headers {
		h := &m.headers[i].Hdr
		h.Namelen = dgram.NameBytes
		h.SetControllen(controlBytes)
	}
	m.got, m.errno = 0, 0
	for tries := 0; ; tries++ {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.headers[0])), batchDatagrams, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			m.got = int(n)
			for i := range m.got {
				r.parse(i)
			}
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			if dgram.MaybeICMP(errno) && tries < maxReported { // about one peer of many
				r.socket.readErrors(fd)
				continue
			}
			m.errno = errno
			return true
		}
	}
}

// parse makes the arrival of message i.
func (r *udpReader) parse(i int) {
	m := &r.in
	a, h := &m.batch[i], &m.headers[i]
	*a = arrival{b: m.buffers[i*datagramBytes:][:h.Len]}
	a.id.remote, a.id.remotePort, a.id.scope = m.names[i].Get()
	r.options(a, m.controls[i][:h.Hdr.Controllen])
	if end := r.key.Offset + r.key.Length; r.key.Length > 0 && end <= len(a.b) {
		for _, c := range a.b[r.key.Offset:end] {
			a.id.payload = a.id.payload<<8 | uint64(c)
		}
	}
}

// options reads what the kernel says about a message (cmsg(3)).
func (r *udpReader) options(a *arrival, b []byte) {
	for len(b) >= unix.SizeofCmsghdr {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		length := int(c.Len)
		if length < unix.SizeofCmsghdr || length > len(b) {
			return
		}
		data := b[unix.CmsgLen(0):length]
		switch {
		case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVORIGDSTADDR && len(data) >= unix.SizeofSockaddrInet4,
			c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVORIGDSTADDR && len(data) >= unix.SizeofSockaddrInet6:
			var name dgram.Name
			copy(name.Bytes(), data)
			a.id.local, a.id.localPort, _ = name.Get()
		case c.Level == unix.IPPROTO_UDP && c.Type == unix.UDP_GRO && len(data) >= 4:
			a.segment = int(*(*int32)(unsafe.Pointer(&data[0])))
		case c.Level == unix.SOL_SOCKET && c.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			drops := *(*uint32)(unsafe.Pointer(&data[0]))
			if more := int32(drops - r.drops); more > 0 { // of an inherited socket what waited is older than its count
				r.lost += uint64(more)
				r.drops = drops
			}
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
}

// takeLost gives the datagrams that the kernel dropped since last asked.
func (r *udpReader) takeLost() (lost uint64) {
	lost, r.lost = r.lost, 0
	return lost
}
