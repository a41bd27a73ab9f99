//go:build !linux

package steer

import "syscall"

// Spreader leaves the choice to the system's hash.
type Spreader struct{}

// NewSpreader makes one.
func NewSpreader(Options) *Spreader { return &Spreader{} }

// Attach is always of the lowest rung.
func (s *Spreader) Attach(int, syscall.RawConn, int, int) (string, bool, error) {
	return RungHash, false, nil
}

// Begin does nothing.
func (s *Spreader) Begin(int, []syscall.RawConn) error { return nil }

// Retire does nothing.
func (s *Spreader) Retire(int) error { return nil }

// Stats stay zero.
func (s *Spreader) Stats() (SpreadStats, error) { return SpreadStats{}, nil }

// Close does nothing.
func (s *Spreader) Close() error { return nil }
