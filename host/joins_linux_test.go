package host_test

import (
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/hosttest"
)

// theatre serves a film over HTTP to those who join.
func theatre(t testing.TB) (address string) {
	t.Helper()
	film, err := os.ReadFile("sample/demo.asf")
	if err != nil {
		t.Fatal(err)
	}
	s := hosttest.Start(t, `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}, config: {fast_start_ms: 0}}
  file: {module: "builtin:file", grant: {publish: ["demo"], read: ["film.asf"]}}
points:
  demo: {source: {url: "file:film.asf"}}
`, hosttest.WithFile("film.asf", film))
	s.WaitPoint("demo", "live")
	return s.Addr("web")
}

// joiner is a viewer on a bare socket, so that what is measured is the server's.
type joiner struct {
	to      unix.SockaddrInet4
	request []byte
	in      [64 << 10]byte
}

func newJoiner(t testing.TB, address string) *joiner {
	t.Helper()
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	g := &joiner{request: []byte("GET /demo.asf HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: VLC/3.0.24 LibVLC/3.0.24\r\nRange: bytes=0-\r\n\r\n")}
	g.to.Port, g.to.Addr = int(at.Port()), at.Addr().As4()
	return g
}

// join connects, asks, and leaves with the first bytes.
func (g *joiner) join(t testing.TB) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &g.to)
	}
	if err == nil {
		_, err = unix.Write(fd, g.request)
	}
	n := 0
	if err == nil {
		n, err = unix.Read(fd, g.in[:])
	}
	if err != nil || n < 12 || string(g.in[9:12]) != "200" {
		t.Fatalf("join: %v, got %q", err, g.in[:max(n, 0)])
	}
	_ = unix.Close(fd)
}

func BenchmarkJoin(b *testing.B) {
	g := newJoiner(b, theatre(b))
	b.ReportAllocs()
	for b.Loop() {
		g.join(b)
	}
}

// TestJoinAllocations bounds what one who joins and leaves costs the garbage collector,
// from the accepted connection to the end of the session.
func TestJoinAllocations(t *testing.T) {
	const (
		joins = 500
		// What the film's source allocates meanwhile is in it. Measured: 86 and 9 KiB.
		mostAllocs, mostBytes = 100, 12 << 10
	)
	g := newJoiner(t, theatre(t))
	for range joins { // pools and stacks
		g.join(t)
	}
	var before, after runtime.MemStats
	least := ^uint64(0)
	leastBytes := least
	for range 3 { // whatever else the process does
		runtime.ReadMemStats(&before)
		began := time.Now()
		for range joins {
			g.join(t)
		}
		runtime.ReadMemStats(&after)
		least = min(least, (after.Mallocs-before.Mallocs)/joins)
		leastBytes = min(leastBytes, (after.TotalAlloc-before.TotalAlloc)/joins)
		t.Logf("a join: %d allocations, %d bytes, %v", (after.Mallocs-before.Mallocs)/joins, (after.TotalAlloc-before.TotalAlloc)/joins, time.Since(began)/joins)
	}
	if least > mostAllocs || leastBytes > mostBytes {
		t.Errorf("a join takes %d allocations of %d bytes in all; at most %d of %d", least, leastBytes, mostAllocs, mostBytes)
	}
}
