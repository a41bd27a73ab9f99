// Package plugin is the room of the plugins: what a loaded plugin is to the rest of the host, whatever carries it.
//
// It owns the terms on which the host and a plugin meet: the Generation (one loaded and judged build of a plugin), the Instance (one running copy
// of it), the Limits and the Fault. A plugin's bytes come in through a carrier (package wasm below); frames of event records go in to an Instance
// and frames of verdict records come out. It never reads a verdict, never retries a call, holds no session's state and knows neither sockets nor
// points: that is the session's work.
package plugin

import (
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/manifest"
)

// Generation is one loaded build of a plugin: verified, compiled, ready to start instances. It is safe for concurrent use. Whoever opened it calls
// Close; instances that still run keep what they need until they are closed too, so a reload may close the old generation first.
type Generation interface {
	Manifest() *manifest.Manifest
	// Number is unique in this process and grows with each generation opened.
	Number() uint64
	// Hash is the SHA-256 of the plugin's file in lower-case hex.
	Hash() string
	// Carrier is what runs the instances: "wasm" or "proc".
	Carrier() string
	// Limits are the limits in force, without zero fields.
	Limits() Limits
	// New starts an instance. A Fault of it has the kind Start, whatever the cause.
	New() (Instance, *Fault)
	// Close lets no further instance start. It may be called again.
	Close()
}

// Process is what a Generation of a carrier with processes also is. It is safe for concurrent use.
type Process interface {
	// PID is the process that runs now; 0 if there is none.
	PID() int
	// Restarts counts the processes that were started after the first.
	Restarts() uint64
}

// Instance is one running copy of a plugin. It belongs to one goroutine at a time.
type Instance interface {
	// Call hands over a frame of event records and returns the frame of verdict records, a view that is valid until the next Call or Close.
	// limit is how long the guest itself may run; 0 means Limits.Event. The instance is usable after a Fault only if the Fault is not Fatal.
	Call(limit time.Duration, frame []byte) (verdicts []byte, fault *Fault)
	// Inbox is the size in bytes of the largest frame that Call takes.
	Inbox() int
	// Close frees the instance. It may be called again, but not during a Call.
	Close()
}

var generations atomic.Uint64

// NextNumber gives the number of a new generation. Carriers call it once in Open.
func NextNumber() uint64 { return generations.Add(1) }
