//go:build !linux

package deliver

import (
	"errors"
	"time"
)

// errPlatform says why there is no pool: epoll is Linux's.
var errPlatform = errors.New("delivery needs Linux")

type event struct {
	slot, turn           uint32
	input, output, ended bool
}

type result uint8

const (
	moved result = iota
	full
	hungUp
	failed
)

// poller lets the package build elsewhere; none can be opened.
type poller struct{}

func openPoller() (*poller, error) { return nil, errPlatform }

func (*poller) close()                        {}
func (*poller) wake()                         {}
func (*poller) yield()                        {}
func (*poller) remove(int)                    {}
func (*poller) add(int, uint32, uint32) error { return errPlatform }
func (*poller) wait(time.Time, bool) []event  { return nil }

func send(int, []byte) (int, result)    { return 0, failed }
func receive(int, []byte) (int, result) { return 0, failed }
func prepare(int, int) error            { return errPlatform }
func closeSocket(int)                   {}
