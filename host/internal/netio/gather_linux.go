package netio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probe reads a stream socket without Syscall. Its function is made once, since a closure
// per read would be garbage.
type probe struct {
	raw     syscall.RawConn
	receive func(fd uintptr) bool

	b     []byte
	n     int
	errno syscall.Errno
	now   bool // receive does not wait
	high  bool // the socket wakes nobody for little
}

func newProbe(raw syscall.RawConn) *probe {
	p := &probe{raw: raw}
	p.receive = func(fd uintptr) bool {
		for {
			n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p.b))), uintptr(len(p.b)), unix.MSG_DONTWAIT, 0, 0)
			switch errno {
			case unix.EINTR:
				continue
			case unix.EAGAIN:
				if !p.now {
					return false
				}
			}
			p.n, p.errno = int(n), errno
			return true
		}
	}
	return p
}

// set says whether the next reads fail when nothing has come.
func (p *probe) set(now bool) {
	if p.now = now; !now {
		p.lower()
	}
}

// read is the socket's Read.
func (p *probe) read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	p.b = b
	err := p.raw.Read(p.receive)
	p.b = nil
	switch {
	case err != nil:
		return 0, err
	case p.errno == unix.EAGAIN:
		return 0, os.ErrDeadlineExceeded
	case p.errno != 0:
		return 0, os.NewSyscallError("recvfrom", p.errno)
	case p.n == 0:
		return 0, io.EOF
	}
	return p.n, nil
}

// raise has the socket wake nobody before there is much, or its end.
func (p *probe) raise() { p.mark(true, gatherBytes) }

// lower has it wake its reader for each byte.
func (p *probe) lower() { p.mark(false, 1) }

func (p *probe) mark(high bool, bytes int32) {
	if p.high == high {
		return
	}
	p.high = high
	_ = p.raw.Control(func(fd uintptr) { // fails for a closed connection, or where it has no meaning
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, int(bytes))
	})
}

// Alarm is a clock for a Conn that is hushed. It wakes to the point and once: Go's own
// timers wake for whole milliseconds, again for the rest, and each wakes the scheduler's
// monitor too (measured: 50 µs together). Conn.Alarm makes one; Close ends it. It watches a
// timer and the socket by an epoll descriptor of its own, which Go's poller watches.
type Alarm struct {
	epoll *os.File
	timer *os.File
	raw   syscall.RawConn
	clock syscall.RawConn
	sock  syscall.RawConn
	until time.Time
	spec  unix.ItimerSpec
	event unix.EpollEvent
	inq   int32 // bytes that wait
	began bool
	ask   func(fd uintptr) bool
	set   func(fd uintptr)
	count func(fd uintptr)
}

// Alarm makes an Alarm.
func (c *Conn) Alarm() (*Alarm, error) {
	a := &Alarm{sock: c.raw}
	if err := a.open(c.raw); err != nil {
		a.Close()
		return nil, fmt.Errorf("make alarm: %w", err)
	}
	a.ask = func(epoll uintptr) bool {
		if !a.began {
			a.began = true
			_ = a.clock.Control(a.set)
			// What has happened before makes no edge any more.
			if n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&a.event)), 1, 0, 0, 0); n == 0 || errno != 0 {
				return false
			}
		} else if !time.Now().Before(a.until) {
			return true
		}
		a.inq = 0
		_ = a.sock.Control(a.count)
		return a.inq == 0 || a.inq >= enoughBytes // 0: the peer has gone
	}
	a.set = func(fd uintptr) {
		_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&a.spec)), 0, 0, 0)
	}
	a.count = func(fd uintptr) {
		_, _, _ = unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SIOCINQ, uintptr(unsafe.Pointer(&a.inq)))
	}
	return a, nil
}

// enoughBytes is how much input ends a wait if the kernel has woken its reader before
// gatherBytes have come, as it does for each piece while it is short of memory. Chosen.
const enoughBytes = gatherBytes / 8

func (a *Alarm) open(sock syscall.RawConn) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	a.timer = os.NewFile(uintptr(fd), "timer")
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err = unix.SetNonblock(epoll, true); err != nil {
		return errors.Join(err, unix.Close(epoll))
	}
	a.epoll = os.NewFile(uintptr(epoll), "alarm")
	watch := func(fd uintptr) {
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP}
		err = errors.Join(err, unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, int(fd), &e))
	}
	watch(uintptr(fd))
	gone := sock.Control(watch)
	if err = errors.Join(err, gone); err != nil {
		return err
	}
	if a.clock, err = a.timer.SyscallConn(); err != nil {
		return err
	}
	a.raw, err = a.epoll.SyscallConn()
	return err
}

// Wait returns after that time, when much input has come or the peer has gone, or when
// Close ends it, with an error. It is for one goroutine at a time.
func (a *Alarm) Wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	a.began, a.until, a.spec.Value = false, time.Now().Add(d), unix.NsecToTimespec(int64(d))
	return a.raw.Read(a.ask)
}

// Close ends the alarm and whoever waits on it. It may be called by any goroutine, again too.
func (a *Alarm) Close() {
	if a.epoll != nil {
		_ = a.epoll.Close()
	}
	if a.timer != nil {
		_ = a.timer.Close()
	}
}
