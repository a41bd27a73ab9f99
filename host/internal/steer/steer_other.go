//go:build !linux

package steer

import (
	"errors"
	"os"
	"syscall"
	"time"
)

var errOther = &Unavailable{Missing: "Linux", Err: errors.ErrUnsupported}

// ErrTaken is of Linux.
var ErrTaken = errors.New("steering table: another process has taken it over")

// Table is the rule set in force; on this system there is none.
type Table struct{}

// Open fails with *Unavailable.
func Open(Options) (*Table, error) { return nil, errOther }

// Adopt fails with *Unavailable.
func Adopt([]*os.File, Options) (*Table, error) { return nil, errOther }

// Set fails with *Unavailable.
func (t *Table) Set([]Claim) error { return errOther }

// Claims is empty.
func (t *Table) Claims() []Claim { return nil }

// Attach fails with *Unavailable.
func (t *Table) Attach(string, Protocol, bool, syscall.Conn) error { return errOther }

// Detach does nothing.
func (t *Table) Detach(string, Protocol, bool) error { return nil }

// Stats is empty.
func (t *Table) Stats() ([]Stats, error) { return nil, errOther }

// ProgramTime fails with *Unavailable.
func (t *Table) ProgramTime() (uint64, time.Duration, error) { return 0, 0, errOther }

// Files fails with *Unavailable.
func (t *Table) Files() ([]*os.File, error) { return nil, errOther }

// Resume fails with *Unavailable.
func (t *Table) Resume() error { return errOther }

// Close does nothing.
func (t *Table) Close() error { return nil }

// Shadows fails with *Unavailable.
func Shadows([]Claim) ([]Shadow, error) { return nil, errOther }
