package hosttest

import (
	"context"
	"testing"
)

// TestLabels: goroutines are told apart by the server that started them, also those
// that are started by another goroutine of it.
func TestLabels(t *testing.T) {
	t.Parallel()
	mine, other := &Server{t: t, label: nextLabel()}, &Server{t: t, label: nextLabel()}
	stop, started := make(chan struct{}), make(chan struct{})
	mine.labelled(func(context.Context) {
		go func() {
			go func() {
				started <- struct{}{}
				<-stop
			}()
		}()
	})
	<-started
	if n := len(goroutines(mine.label)); n != 1 {
		t.Errorf("%d goroutines of the server that started one", n)
	}
	other.checkGoroutines()
	close(stop)
	mine.checkGoroutines()
}
