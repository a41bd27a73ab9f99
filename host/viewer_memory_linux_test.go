package host_test

import (
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/hosttest"
)

// TestViewerMemory: what a plain TCP viewer costs the process in heap and stack, and that it costs no goroutine. The whole proof, with 10,000, is in e2e/load.
func TestViewerMemory(t *testing.T) {
	const (
		viewers = 1000
		// A KiB is the aim at 10,000 viewers, where it is some 700 bytes. Fewer share what one chunk of a log and what requests leave behind in
		// the heap's spans: half a MiB is allowed for that.
		most = 1<<10 + 512
	)
	s := hosttest.Start(t, `
listeners: {web: {address: "127.0.0.1:0"}}
points:
  demo: {source: {url: "file:builtin/demo.asf"}, buffer: 2s}
plugins:
  asf: {module: "builtin:asf"}
  file: {module: "builtin:file", grant: {publish: ["*"], read: ["builtin/*"]}}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
`)
	s.WaitMedia("demo", 0)
	c := newTakers(t, netip.MustParseAddrPort(s.Addr("web")))
	forms := map[string]string{
		"http": "GET /demo.asf HTTP/1.1\r\nHost: weir\r\nUser-Agent: VLC/3.0.18 LibVLC/3.0.18\r\nRange: bytes=0-\r\n\r\n",
		"mmsh": "GET /demo HTTP/1.0\r\nHost: weir\r\nUser-Agent: NSPlayer/7.10.0.3059\r\nPragma: no-cache,rate=1.000000,request-context=2\r\n" +
			"Pragma: xPlayStrm=1\r\nPragma: stream-switch-count=1\r\nPragma: stream-switch-entry=ffff:1:0\r\n\r\n",
	}
	for _, request := range forms {
		c.join(s, 20, request) // what the first of a kind makes is nobody's growth
	}
	s.Wait("spare instances are there", func() bool {
		return !slices.ContainsFunc(s.Status().Plugins, func(p hosttest.PluginStatus) bool { return p.Spares == 0 })
	})
	for name, request := range forms {
		heap, stack, goroutines := inUse()
		for range viewers / 100 {
			c.join(s, 100, request)
		}
		s.Wait("no goroutine is left of the requests", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		heapAfter, stackAfter, _ := inUse()
		each := (heapAfter + stackAfter - heap - stack) / viewers
		t.Logf("%s: %d bytes a viewer, %d of them stack", name, each, (stackAfter-stack)/viewers)
		if each > most {
			t.Errorf("%s: a viewer takes %d bytes; %d are allowed", name, each, most)
		}
	}
}

// inUse gives the heap's and the stacks' spans in use, in bytes, and how many goroutines there are.
func inUse() (heap, stack int64, goroutines int) {
	runtime.GC()
	runtime.GC() // the second frees what finalizers of the first held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse), int64(m.StackInuse), runtime.NumGoroutine()
}

// takers are players outside of Go's heap: bare descriptors, whose input one goroutine throws away.
type takers struct {
	t      testing.TB
	at     netip.AddrPort
	epoll  int
	fds    []int
	served atomic.Int64 // those that have got something
	quit   atomic.Bool
	taking sync.WaitGroup
}

func newTakers(t testing.TB, at netip.AddrPort) *takers {
	t.Helper()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	c := &takers{t: t, at: at, epoll: epoll}
	c.taking.Go(c.take)
	t.Cleanup(func() {
		c.quit.Store(true)
		c.taking.Wait()
		for _, fd := range append(c.fds, epoll) {
			_ = unix.Close(fd)
		}
	})
	return c
}

// take throws away what comes, until the test ends.
func (c *takers) take() {
	const look = 100 // ms
	events, b := make([]unix.EpollEvent, 256), make([]byte, 1<<20)
	served := map[int32]bool{}
	for !c.quit.Load() {
		n, err := unix.EpollWait(c.epoll, events, look)
		if err != nil && err != unix.EINTR {
			c.t.Errorf("wait for input: %v", err)
			return
		}
		for _, e := range events[:max(n, 0)] {
			got, _, _ := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(e.Fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
			if int(got) > 0 && !served[e.Fd] {
				served[e.Fd] = true
				c.served.Add(1)
			}
		}
	}
}

// join connects n more, and waits until all play.
func (c *takers) join(s *hosttest.Server, n int, request string) {
	c.t.Helper()
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		c.fds = append(c.fds, fd)
		if err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(c.at.Port()), Addr: c.at.Addr().As4()}); err == nil {
			_, err = unix.Write(fd, []byte(request))
		}
		if err == nil {
			err = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	want := int64(len(c.fds))
	s.Wait("all play", func() bool { return c.served.Load() == want })
	s.WaitViewers("demo", len(c.fds))
}
