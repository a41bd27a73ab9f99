//go:build !linux

package netio

import (
	"errors"
	"syscall"
	"time"
)

// probe does not exist on this system: nothing is gathered, and ReadNow is Read.
type probe struct{}

func newProbe(syscall.RawConn) *probe { return nil }

func (p *probe) set(bool)                 {}
func (p *probe) read([]byte) (int, error) { return 0, nil }
func (p *probe) raise()                   {}
func (p *probe) lower()                   {}

// Alarm does not exist on this system.
type Alarm struct{}

// Alarm fails.
func (c *Conn) Alarm() (*Alarm, error) { return nil, errors.New("alarms exist on Linux only") }

// Wait does not wait.
func (a *Alarm) Wait(time.Duration) error { return nil }

// Close does nothing.
func (a *Alarm) Close() {}
