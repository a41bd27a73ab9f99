package load_test

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// pauses is how long a viewer waits from one arrival to the next, by the kernel's clock: when the audience gets to read does not matter. Pieces that
// arrived before they were read count as one, at the time of the last (tcp(7), SO_TIMESTAMPNS), so that a pause can be told too long but not too short.
type pauses struct {
	last  time.Time
	worst time.Duration
}

func (p *pauses) arrived(at time.Time) {
	if !p.last.IsZero() {
		p.worst = max(p.worst, at.Sub(p.last))
	}
	p.last = at
}

// stamped asks the kernel to note when bytes arrive.
func stamped(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }

// receive reads, and gives the time at which the last of the bytes came.
func receive(fd int, to, control []byte) (n int, at time.Time, err error) {
	n, c, _, _, err := unix.Recvmsg(fd, to, control, 0)
	const head = unix.SizeofCmsghdr
	if c >= head+16 && binary.NativeEndian.Uint32(control[12:]) == unix.SO_TIMESTAMPNS {
		return n, time.Unix(int64(binary.NativeEndian.Uint64(control[head:])), int64(binary.NativeEndian.Uint64(control[head+8:]))), err
	}
	return n, time.Now(), err
}

// forget begins a new measurement of pauses.
func (a *audience) forget(seats []*seat) {
	a.see(func() {
		for _, s := range seats {
			s.pauses.worst = 0
		}
	})
}

// worst is the longest pause of any viewer since forget.
func (a *audience) worst(seats []*seat) (most time.Duration) {
	a.see(func() {
		for _, s := range seats {
			most = max(most, s.pauses.worst)
		}
	})
	return most
}
