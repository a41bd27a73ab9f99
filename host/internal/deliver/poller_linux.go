package deliver

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/thread"
)

const (
	eventsAtOnce = 256 // chosen; more are met by the next turn
	// wakeSlot is the slot of the event descriptor by which others wake the worker.
	wakeSlot = ^uint32(0)
)

// event says that something happened on the socket in a slot.
type event struct {
	slot, turn           uint32
	input, output, ended bool
}

// poller waits for many sockets at once. It holds an edge-triggered epoll
// descriptor that itself is watched by Go's poller, so that a waiting worker
// occupies no thread. Only wake may be called from other goroutines.
type poller struct {
	epoll  int
	file   *os.File // owns epoll
	raw    syscall.RawConn
	poll   func(fd uintptr) bool
	pass   func(fd uintptr) bool
	passed bool
	bell   *os.File        // eventfd; a File, since wakes may come after close
	rope   syscall.RawConn // to ring it
	kernel [eventsAtOnce]unix.EpollEvent
	nudged atomic.Bool // wake was called since the last wait
	n      int
	events []event
}

func openPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if err = unix.SetNonblock(epoll, true); err != nil {
		return nil, errors.Join(fmt.Errorf("create epoll: %w", err), unix.Close(epoll))
	}
	p := &poller{epoll: epoll, file: os.NewFile(uintptr(epoll), "epoll"), events: make([]event, 0, eventsAtOnce)}
	p.poll = func(uintptr) bool { return p.collect() }
	p.pass = func(uintptr) bool {
		if !p.passed {
			p.passed = true
			_ = p.rope.Control(thread.Ring)
			return false
		}
		return true
	}
	if err = p.file.SetReadDeadline(time.Time{}); err == nil {
		p.raw, err = p.file.SyscallConn()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch epoll: %w", err), p.file.Close())
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create eventfd: %w", err), p.file.Close())
	}
	p.bell = os.NewFile(uintptr(bell), "eventfd")
	if p.rope, err = p.bell.SyscallConn(); err != nil {
		p.close()
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	if err := p.control(bell, unix.EPOLLIN|unix.EPOLLET, wakeSlot, 0); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) close() {
	_ = p.file.Close()
	_ = p.bell.Close()
}

func (p *poller) control(fd int, events, slot, turn uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(slot), Pad: int32(turn)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("watch descriptor: %w", err)
	}
	return nil
}

// add watches fd. Each change is told once, with slot and turn.
func (p *poller) add(fd int, slot, turn uint32) error {
	return p.control(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, slot, turn)
}

func (p *poller) remove(fd int) {
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// wake makes the wait under way, or the next, return: by its deadline, since then the
// waiting goroutine is ready at once. An event would be met when Go's poller is asked,
// on a busy processor up to 10 ms later.
func (p *poller) wake() {
	p.nudged.Store(true)
	_ = p.file.SetReadDeadline(past)
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// collect fetches what has happened and tells whether anything has.
func (p *poller) collect() bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.kernel)), eventsAtOnce, 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		p.n = 0
		if errno == 0 {
			p.n = int(n)
		}
		return errno != 0 || n > 0
	}
}

// yield lets all other goroutines run that are ready, and has Go's poller look for
// more: on one processor it does so only when no goroutine is ready, so runtime.Gosched
// would keep input waiting for 10 ms. It takes no longer than a part, since that comes to
// pass only when none of them is ready: at a storm of joins after 100 ms.
func (p *poller) yield() {
	p.passed = false
	_ = p.file.SetReadDeadline(time.Now().Add(partTime))
	_ = p.raw.Read(p.pass)
}

// wait gives what happened, waiting until the time given if nothing did; the zero
// time waits without end. The slice is valid until the next wait.
func (p *poller) wait(until time.Time, block bool) []event {
	if !p.collect() && block {
		_ = p.file.SetReadDeadline(until)
		if p.nudged.Load() || p.raw.Read(p.poll) != nil { // a wake since then ends the read
			p.collect()
		}
	}
	p.nudged.Store(false)
	p.events = p.events[:0]
	for i := range p.n {
		k := &p.kernel[i]
		if uint32(k.Fd) == wakeSlot {
			continue
		}
		p.events = append(p.events, event{
			slot: uint32(k.Fd), turn: uint32(k.Pad),
			input:  k.Events&unix.EPOLLIN != 0,
			output: k.Events&unix.EPOLLOUT != 0,
			ended:  k.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		})
	}
	return p.events
}

// result says how a transfer went.
type result uint8

const (
	moved result = iota
	full         // or, for input, empty
	hungUp
	failed
)

func resultOf(errno unix.Errno) result {
	switch errno {
	case unix.EAGAIN:
		return full
	case unix.EPIPE, unix.ECONNRESET, unix.ETIMEDOUT, unix.EHOSTUNREACH, unix.ENETUNREACH:
		return hungUp
	}
	return failed
}

// send hands b, which is not empty, to the socket without waiting.
func send(fd int, b []byte) (int, result) {
	return transfer(unix.SYS_SENDTO, fd, b, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// receive reads into b without waiting. A peer that has closed is hungUp.
func receive(fd int, b []byte) (int, result) {
	n, r := transfer(unix.SYS_RECVFROM, fd, b, unix.MSG_DONTWAIT)
	if n == 0 && r == moved {
		return 0, hungUp
	}
	return n, r
}

// transfer makes a call that cannot wait, so that the scheduler need not know.
func transfer(call uintptr, fd int, b []byte, flags uintptr) (int, result) {
	for {
		n, _, errno := unix.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), moved
		case unix.EINTR:
			continue
		}
		return 0, resultOf(errno)
	}
}

// prepare makes a socket fit for the pool. The cap keeps a stopped reader from
// pinning megabytes of kernel memory.
func prepare(fd, sendBuffer int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
		return err
	}
	err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == unix.EOPNOTSUPP || err == unix.ENOPROTOOPT { // not a TCP socket
		return nil
	}
	return err
}

func closeSocket(fd int) { _ = unix.Close(fd) }
