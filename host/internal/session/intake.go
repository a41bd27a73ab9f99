package session

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

// intake reads a connection into an inlet until its end, or until it is halted between
// two reads. Its goroutine is whoever calls run.
type intake struct {
	c     *netio.Conn
	in    *inlet
	limit time.Duration // a peer that is silent for so long has left; 0: it may be
	quit  atomic.Bool
	done  chan struct{} // closed when run returns
	gather
}

func newIntake(c *netio.Conn, in *inlet, limit time.Duration) *intake {
	return &intake{c: c, in: in, limit: limit, done: make(chan struct{})}
}

func (k *intake) run() {
	defer close(k.done)
	defer k.leave()
	pump(k, k.in)
}

// errHalted is why a halted intake reads no more.
var errHalted = errors.New("reading is halted")

// Read waits for input no longer than the limit.
func (k *intake) Read(b []byte) (int, error) {
	d := k.interval()
	if n, err := k.gathered(b, d); n > 0 || err != nil {
		return n, err
	}
	if err := k.arm(); err != nil {
		return 0, err
	}
	n, err := k.c.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) && k.quit.Load() {
		err = errHalted
	}
	k.came(time.Now(), d)
	return n, err
}

// arm has the next read wait no longer than the limit, and not at all once it is halted.
func (k *intake) arm() error {
	var until time.Time
	if k.limit > 0 {
		until = time.Now().Add(k.limit)
	}
	k.armed = until
	if err := k.c.SetReadDeadline(until); err != nil {
		return err
	}
	if k.quit.Load() {
		return errHalted
	}
	return nil
}

// halt ends run and waits for it. What was read is in the inlet.
func (k *intake) halt() {
	k.quit.Store(true)
	k.wake()
	_ = k.c.SetReadDeadline(time.Unix(1, 0)) // fails for a closed connection, which cannot be read either
	k.in.rush(true)
	<-k.done
	k.in.rush(false)
}

// pump reads a source into an inlet until its end.
func pump(from io.Reader, in *inlet) {
	b := make([]byte, readSize)
	for {
		n, err := from.Read(b)
		if n > 0 && !in.write(b[:n]) || errors.Is(err, errHalted) {
			return
		}
		if err != nil {
			reason := abi.EndReset
			switch {
			case errors.Is(err, io.EOF):
				reason = abi.EndClosed
			case errors.Is(err, os.ErrDeadlineExceeded):
				reason = abi.EndTimeout
			}
			in.finish(reason)
			return
		}
	}
}
