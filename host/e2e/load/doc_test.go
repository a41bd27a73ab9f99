// Package load_test proves that a broadcast stays whole while much is asked of the server: many viewers, a plugin that is replaced, readers that are too
// slow, encoders that die, peers that send rubbish, a process that is killed.
//
// It owns an encoder that pushes a made-up film (encoder, film) and an audience of plain sockets that compares each byte with it (audience, seat). The
// server runs in the test's own process, with the first-party plugins as WebAssembly, and the whole audience is one goroutine: so the count of
// goroutines is the server's. Nothing here knows what the server does inside; where a number of its own is needed, it is asked for as `weir status` asks.
//
// Each proof is short by default. WEIR_SOAK=1 makes it as long as it is promised.
package load_test

import (
	"os"
	"testing"
	"time"
)

// soak tells whether the proofs run at full length.
var soak = os.Getenv("WEIR_SOAK") == "1"

// scale chooses between the short form of a number and the whole one.
func scale[T any](short, whole T) T {
	if soak {
		return whole
	}
	return short
}

// patience is how long an event may take before a test fails. Chosen: far above what a busy machine needs.
const patience = 60 * time.Second

// slack is how much longer than needed a film is. Chosen: what a busy machine may be late.
const slack = 20 * time.Second

// within polls until ok, which is told nothing by an event, is true.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}
