package session

import (
	"sync"

	"github.com/weir-media/weir/host/internal/netio"
)

// readers are the goroutines that read connections and files. They are who waits for what
// netio still sends to other computers, too. The zero value has none; close ends it.
type readers struct {
	sync.WaitGroup
	mu     sync.Mutex
	outs   map[*netio.Outgoing]struct{} // that are open
	closed bool
}

// enter notes that a connection is open, and closes it if it comes too late.
func (r *readers) enter(o *netio.Outgoing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		o.Close()
		return
	}
	if r.outs == nil {
		r.outs = map[*netio.Outgoing]struct{}{}
	}
	r.outs[o] = struct{}{}
}

// join waits until a connection is closed and all has gone that was to be sent before.
func (r *readers) join(o *netio.Outgoing) {
	o.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.outs, o)
}

// close cuts connections to other computers, and waits for all goroutines.
func (r *readers) close() {
	r.mu.Lock()
	r.closed = true
	for o := range r.outs {
		o.Close()
	}
	r.mu.Unlock()
	r.Wait()
}
