// Package sdk is how a plugin of weir is written in Go. A plugin is a pure function
// (state, event) → (state', verdicts): it declares a state type, and a function that
// is called with the session's state, one event, and a Verdicts to answer into. The
// same source builds as a Wasm reactor
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o hello.wasm .
//
// and runs natively in tests (package sdktest).
//
// What a plugin must not do: keep anything between calls outside the session's state
// (an instance can be thrown away, and there may be several), read clocks or random
// numbers other than the event's Head, or let a verdict depend on the order of a map
// range. The runner in this package calls a plugin from one goroutine at a time.
package sdk
