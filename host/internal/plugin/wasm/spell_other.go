//go:build !linux

package wasm

import "time"

// threadSpell has no clock here: the wall clock counts.
type threadSpell struct{}

func beginSpell() threadSpell { return threadSpell{} }

func (threadSpell) ran(wall time.Duration) time.Duration { return wall }
