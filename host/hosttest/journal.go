package hosttest

import (
	"bytes"
	"sync"
	"testing"
)

// journal keeps what a server logs, for a test that fails or looks at it.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes a line.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// String is all lines so far.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) show(t testing.TB) {
	if t.Failed() {
		t.Logf("weir logged:\n%s", j)
	}
}
