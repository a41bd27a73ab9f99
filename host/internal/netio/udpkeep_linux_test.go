package netio

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUDPKept: a kept flow stays while others go, for their silence or for room, and ends when its peer
// no longer listens, and alone, whichever of the address's sockets hears of it.
func TestUDPKept(t *testing.T) {
	for name, workers := range map[string]int{"one": 1, "several": 4} {
		t.Run(name, func(t *testing.T) {
			h := newTaker()
			l := listenUDP(t, h, func(o *UDPOptions) {
				o.IdleTimeout, o.MaxFlows, o.Workers = time.Second, 4, workers
			})
			open := func() (*caller, *taken) {
				c := call(t, l.Addrs()[0])
				c.say("x")
				return c, <-h.opened
			}
			leaving, kept := open()
			staying, other := open()
			_, idle := open()
			kept.Keep(true)
			other.Keep(true)
			if why := <-idle.end; why != FlowIdle {
				t.Errorf("a flow that is not kept ends by %v", why)
			}
			for range 5 { // more than there is room for
				open()
			}
			shared, from, ok := kept.Share()
			if !ok || from != l.Addrs()[0].Addr() {
				t.Fatalf("from %v, %v", from, ok)
			}
			fd, err := shared.Duplicate()
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			leaving.Close()
			for end := time.Now().Add(10 * time.Second); len(kept.end) == 0; {
				if time.Now().After(end) {
					t.Fatal("nothing says that the peer is gone")
				}
				_ = kept.Send([]byte("there?"))
				if err := other.Send([]byte("hello")); err != nil {
					t.Errorf("the other one's datagram: %v", err)
				}
				if got := staying.hear(); got != "hello" {
					t.Errorf("the other one hears %q", got)
				}
			}
			if why := <-kept.end; why != FlowRefused {
				t.Errorf("it ends by %v", why)
			}
			other.Keep(false)
			if why := <-other.end; why != FlowIdle {
				t.Errorf("kept no more, it ends by %v", why)
			}
		})
	}
}
