package session

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/weir-media/weir/host/internal/netio"
)

// TestReadersClose: the end does not wait for a peer that reads nothing, and leaves nobody
// behind who sends to one.
func TestReadersClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := netip.MustParseAddrPort(l.Addr().String())
	dial := func() *netio.Outgoing {
		t.Helper()
		o, err := netio.Dial(t.Context(), netio.DialOptions{Host: to.Addr().String(), Port: to.Port(), Allows: func(string, netip.AddrPort) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	const most = 64 << 20 // bytes: more than two sockets hold
	o, late := dial(), dial()
	if err := o.TryWriteWithin(make([]byte, most), most); err != nil {
		t.Fatal(err)
	}
	o.CloseAfterFlush()
	var r readers
	r.enter(o)
	joined := false
	r.Go(func() {
		r.join(o)
		joined = true
	})
	r.close()
	if !joined || len(r.outs) != 0 {
		t.Errorf("joined: %v, %d connections are left", joined, len(r.outs))
	}
	if n := o.BytesOut(); n >= most {
		t.Errorf("%d bytes went to a peer that reads nothing", n)
	}
	r.enter(late)
	if err := late.TryWriteWithin([]byte("x"), most); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
