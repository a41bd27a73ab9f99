package netio

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// outOfDescriptors leaves this process no descriptor until give is called.
func outOfDescriptors(t *testing.T) (give func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	less := before
	less.Cur = uint64(null.Fd()) + 1 // the lowest that was free
	if err = unix.Setrlimit(unix.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	var taken []int
	for fd, err := unix.Dup(int(null.Fd())); err == nil; fd, err = unix.Dup(int(null.Fd())) {
		taken = append(taken, fd)
	}
	return func() {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &before) // what it was
		for _, fd := range taken {
			unix.Close(fd)
		}
		null.Close()
	}
}

// TestOldestMakeRoom: without descriptors, who comes is served at the cost of those who show nothing or wait, and nobody goes for nobody.
func TestOldestMakeRoom(t *testing.T) {
	l := listen(t, &funcs{exchange: func(x *Exchange) {
		x.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	}})
	at := l.Addrs()[0]
	silent := dial(t, l)
	eventually(t, "the silent one is accepted", func() bool { return l.Stats().Accepted == 1 })
	var sockets []int
	for range 4 {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		second := unix.NsecToTimeval(int64(patience))
		if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second); err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, fd)
	}
	defer outOfDescriptors(t)()
	b := make([]byte, 1024)
	for i, fd := range sockets {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, []byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		n, err := unix.Read(fd, b)
		if err != nil || n == 0 {
			t.Fatalf("client %d: %d bytes, %v", i, n, err)
		}
		if n := l.Stats().Evicted; n != uint64(i+1) {
			t.Errorf("%d were evicted for %d", n, i+1)
		}
	}
	if got, _ := silent.ended(); got != "" {
		t.Errorf("the silent one got %q", got)
	}
	if n, err := unix.Read(sockets[len(sockets)-2], b); n > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the last but one is still there: %d, %v", n, err)
	}
	if n := l.Stats().Sniffed[OutcomeBusy]; n != 1 {
		t.Errorf("%d are counted as busy", n)
	}
}

// TestNobodyMakesRoom: what is not queued needs no descriptor.
func TestNobodyMakesRoom(t *testing.T) {
	l := listen(t, &funcs{})
	if queued(l.sockets[0]) {
		t.Error("somebody is queued")
	}
	if l.makeRoom() {
		t.Error("room was made of nothing")
	}
	hold := listen(t, &funcs{}, func(o *Options) { o.Hold = true })
	c, err := net.DialTimeout("tcp", hold.Addrs()[0].String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !queued(hold.sockets[0]) {
		t.Error("nobody is queued")
	}
}
