package load_test

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// audience holds viewers on plain sockets. One goroutine reads them all; a test calls the methods.
type audience struct {
	t     testing.TB
	epoll int
	buf   []byte

	control [64]byte // of a message, beside its bytes

	mu      sync.Mutex // over all below, and over the seats
	changed *sync.Cond // after each round
	seats   map[int32]*seat
	slow    []*seat
	stop    bool
	done    chan struct{}
}

// round is how long the audience waits for input at most. Chosen: slow viewers are no more exact than that.
const round = 20 * time.Millisecond

func newAudience(t testing.TB) *audience {
	t.Helper()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	a := &audience{t: t, epoll: epoll, buf: make([]byte, 256<<10), seats: map[int32]*seat{}, done: make(chan struct{})}
	a.changed = sync.NewCond(&a.mu)
	go a.loop()
	t.Cleanup(a.close)
	return a
}

func (a *audience) close() {
	a.mu.Lock()
	if a.stop {
		a.mu.Unlock()
		return
	}
	a.stop = true
	a.mu.Unlock()
	<-a.done
	for fd := range a.seats {
		_ = unix.Close(int(fd))
	}
	_ = unix.Close(a.epoll)
}

// loop owns the sockets until close.
func (a *audience) loop() {
	defer close(a.done)
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(a.epoll, events, int(round.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			a.t.Errorf("epoll: %v", err)
			return
		}
		a.mu.Lock()
		if a.stop {
			a.mu.Unlock()
			return
		}
		for _, e := range events[:max(n, 0)] {
			if s := a.seats[e.Fd]; s != nil {
				a.read(s, len(a.buf))
			}
		}
		now := time.Now()
		a.slow = slices.DeleteFunc(a.slow, func(s *seat) bool { return a.seats[int32(s.fd)] != s })
		for _, s := range a.slow {
			if !s.closed && !s.habit.deaf && !now.Before(s.due) {
				s.due = now.Add(s.habit.every)
				a.bite(s)
			}
		}
		a.mu.Unlock()
		a.changed.Broadcast()
	}
}

// bite is one meal of a slow viewer.
func (a *audience) bite(s *seat) {
	if s.habit.bite > 0 {
		a.read(s, s.habit.bite)
		return
	}
	for a.read(s, len(a.buf)) {
	}
}

// read takes what a socket has, once. It tells whether there was something.
func (a *audience) read(s *seat, most int) bool {
	n, err := a.get(s, a.buf[:most])
	switch {
	case n > 0:
		was := s.at
		s.take(a.buf[:n])
		s.delays.note(max(was, s.first), s.at, s.pauses.last)
		return true
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return false
	}
	s.shut()
	a.hangUp(s)
	return false
}

func (a *audience) get(s *seat, to []byte) (int, error) {
	if !s.habit.timed {
		return unix.Read(s.fd, to)
	}
	n, at, err := receive(s.fd, to, a.control[:])
	if n > 0 && s.answered.IsZero() {
		s.answered = at
	}
	if n > 0 && s.phase == watching {
		s.pauses.arrived(at)
	}
	return n, err
}

func (a *audience) hangUp(s *seat) {
	if _, open := a.seats[int32(s.fd)]; open {
		delete(a.seats, int32(s.fd))
		_ = unix.Close(s.fd)
	}
}

// sit makes seats without connecting them, so that their memory is there before anything is measured.
func sit(n int, h habit, forms ...*form) []*seat {
	all := make([]seat, n)
	list := make([]*seat, n)
	for i := range all {
		all[i] = seat{form: forms[i%len(forms)], habit: h, first: -1}
		list[i] = &all[i]
	}
	return list
}

// join connects viewers, one after the other, and lets each ask.
func (a *audience) join(at string, seats []*seat) {
	a.t.Helper()
	to := netip.MustParseAddrPort(at)
	address := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	for _, s := range seats {
		if err := a.connect(s, address); err != nil {
			a.t.Fatalf("viewer: %v", err)
		}
	}
}

func (a *audience) connect(s *seat, to unix.Sockaddr) error {
	fd, err := s.socket()
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, to); err != nil {
		return err
	}
	if at, err := unix.Getsockname(fd); err == nil {
		s.from = addressOf(at)
	}
	if _, err := unix.Write(fd, []byte(s.form.request)); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.fd = fd
	a.seats[int32(fd)] = s
	if h := s.habit; h.deaf || h.every > 0 || h.bite > 0 {
		a.slow = append(a.slow, s)
		return nil
	}
	return unix.EpollCtl(a.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// socket makes a viewer's socket as its habit wants it.
func (s *seat) socket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if s.habit.receive > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, s.habit.receive); err != nil {
			return -1, err
		}
	}
	if s.habit.timed {
		if err := stamped(fd); err != nil {
			return -1, err
		}
	}
	if s.habit.home != [4]byte{} {
		return fd, unix.Bind(fd, &unix.SockaddrInet4{Addr: s.habit.home})
	}
	return fd, nil
}

func addressOf(a unix.Sockaddr) string {
	at, ok := a.(*unix.SockaddrInet4)
	if !ok {
		return ""
	}
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)).String()
}

// leave disconnects viewers.
func (a *audience) leave(seats []*seat) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range seats {
		a.hangUp(s)
	}
}

// wait blocks until ok is true of all seats, and fails the test if that takes too long or one of them has got something wrong.
func (a *audience) wait(what string, seats []*seat, ok func(*seat) bool) {
	a.t.Helper()
	late := false
	alarm := time.AfterFunc(patience, func() {
		a.mu.Lock()
		late = true
		a.mu.Unlock()
	})
	defer alarm.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		missing := 0
		for i, s := range seats {
			if s.wrong != nil {
				a.t.Fatalf("waiting for viewers that %s: number %d: %v", what, i, s.wrong)
			}
			if !ok(s) {
				missing++
			}
		}
		switch {
		case missing == 0:
			return
		case late:
			a.t.Fatalf("after %v %d of %d viewers do not: %s", patience, missing, len(seats), what)
		}
		a.changed.Wait()
	}
}

// see looks at the seats while nobody reads.
func (a *audience) see(look func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	look()
}

// watched waits until each viewer has the unit before n.
func (a *audience) watched(seats []*seat, n int) {
	a.t.Helper()
	a.wait("have what was pushed", seats, func(s *seat) bool { return s.at >= n })
}

// ended waits until each viewer was closed behind the last unit, and had everything from where it began.
func (a *audience) ended(seats []*seat, last map[*form]int) {
	a.t.Helper()
	a.wait("are closed", seats, func(s *seat) bool { return s.closed })
	a.see(func() {
		for i, s := range seats {
			switch {
			case s.torn || s.phase != over && len(s.form.end) > 0:
				a.t.Errorf("%s viewer %d was closed in the middle, at unit %d", s.form.name, i, s.at)
			case s.gaps > 0 && !s.habit.skips, s.at != last[s.form]:
				a.t.Errorf("%s viewer %d has units %d to %d with %d gaps; %d were pushed", s.form.name, i, s.first, s.at, s.gaps, last[s.form])
			}
		}
	})
}

// reset cuts viewers off with a reset.
func (a *audience) reset(seats []*seat) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range seats {
		_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		a.hangUp(s)
	}
}
