package netio

import "testing"

// What follows a flow's first datagram need match no pattern, even if it was read in
// the same batch.
func TestUDPFirstOfABatch(t *testing.T) {
	h := newTaker()
	reading, release := make(chan bool), make(chan bool)
	h.refuse = func(first []byte) bool {
		if string(first) == "M hold" {
			reading <- true
			<-release
		}
		return false
	}
	l := listenUDP(t, h, func(o *UDPOptions) { o.Raw = []Pattern{{Plugin: "p", Bytes: []byte("M")}} })
	call(t, l.Addrs()[0]).say("M hold")
	<-reading // the one worker is busy, so that all that comes now is one batch
	c := call(t, l.Addrs()[0])
	words := []string{"M first", "second", "third"}
	for _, w := range words {
		c.say(w)
	}
	close(release)
	receive(t, h.opened)
	k := receive(t, h.opened)
	for _, want := range words {
		if got := receive(t, k.in); got != want {
			t.Fatalf("%q, want %q; %+v", got, want, l.Stats())
		}
	}
}
