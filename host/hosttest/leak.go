package hosttest

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
)

// labelKey marks the goroutines of one server. A goroutine inherits the labels of the
// one that starts it, so those of servers that run side by side can be told apart.
const labelKey = "hosttest"

var labels atomic.Uint64

func nextLabel() string { return "server-" + strconv.FormatUint(labels.Add(1), 10) }

// labelled calls do; goroutines that start in it are counted as the server's.
func (s *Server) labelled(do func(context.Context)) {
	pprof.Do(context.Background(), pprof.Labels(labelKey, s.label), do)
}

// checkGoroutines fails the test if a goroutine of the server outlives it.
func (s *Server) checkGoroutines() {
	s.t.Helper()
	var left []string
	if !poll(func() bool {
		left = goroutines(s.label)
		return len(left) == 0
	}) {
		s.t.Errorf("weir has ended, but these of its goroutines have not:\n%s", strings.Join(left, "\n\n"))
	}
}

// goroutines gives the stacks of a server's goroutines, equal ones together.
func goroutines(label string) []string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a bytes.Buffer takes all
	var mine []string
	mark := strconv.Quote(labelKey) + ":" + strconv.Quote(label)
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, mark) {
			mine = append(mine, stack)
		}
	}
	return mine
}
