package netio

import (
	"context"
	"sync"
)

// underWay counts requests whose handlers have not returned. The zero value is ready.
type underWay struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when n becomes 0; nil if nobody waits
}

// begin counts one; false once closed.
func (u *underWay) begin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.n++
	}
	return !u.closed
}

func (u *underWay) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n--; u.n == 0 && u.idle != nil {
		close(u.idle)
		u.idle = nil
	}
}

func (u *underWay) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.n
}

// close lets no more begin.
func (u *underWay) close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
}

// wait returns when there was a moment without any, or ctx has ended.
func (u *underWay) wait(ctx context.Context) error {
	u.mu.Lock()
	if u.n == 0 {
		u.mu.Unlock()
		return nil
	}
	if u.idle == nil {
		u.idle = make(chan struct{})
	}
	idle := u.idle
	u.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
