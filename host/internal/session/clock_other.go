//go:build !linux

package session

import "time"

// booted gives the moment from which the clock of mono_nano counts.
func booted(now time.Time) time.Time { return now }
