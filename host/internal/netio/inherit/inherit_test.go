package inherit

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// filer is a socket of package net.
type filer interface{ File() (*os.File, error) }

func file(t *testing.T, s filer) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func tcp(t *testing.T, network, address string) (*os.File, netip.AddrPort) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("listen on %s: %v", address, err)
	}
	defer ln.Close()
	return file(t, ln.(*net.TCPListener)), ln.Addr().(*net.TCPAddr).AddrPort()
}

func set(t *testing.T, names []string, files ...*os.File) *Set {
	t.Helper()
	if names == nil {
		names = make([]string, len(files))
	}
	s, err := gather(files, names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// talk proves that connections to an address arrive at ln.
func talk(t *testing.T, ln *net.TCPListener, to netip.AddrPort) {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Errorf("%s arrived, not %s", got.RemoteAddr(), c.LocalAddr())
	}
	got.Close()
}

func TestTakeByAddress(t *testing.T) {
	f, a := tcp(t, "tcp4", "127.0.0.1:0")
	s := set(t, nil, f)
	if _, ok := s.TakeTCP("web", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), a.Port())); ok {
		t.Error("another address is served by it")
	}
	if _, ok := s.TakeUDP("web", a); ok {
		t.Error("UDP is served by it")
	}
	ln, ok := s.TakeTCP("web", a)
	if !ok || len(s.Rest()) != 0 {
		t.Fatalf("not taken; rest %v", s.Rest())
	}
	talk(t, ln, a)
	if _, ok = s.TakeTCP("other", a); ok {
		t.Error("taken twice")
	}
	ln.Close()
	again, ok := s.TakeTCP("web", a) // a connection made in between is not lost
	if !ok {
		t.Fatal("not taken again")
	}
	talk(t, again, a)
	again.Close()
	s.Release("web")
	if rest := s.Rest(); len(rest) != 1 || rest[0].String() != "tcp "+a.String() {
		t.Errorf("rest %v", rest)
	}
}

func TestOneSocketForBothFamilies(t *testing.T) {
	f, a := tcp(t, "tcp", "[::]:0")
	s := set(t, []string{"weir.socket"}, f)
	for _, all := range []string{"0.0.0.0", "::"} {
		ln, ok := s.TakeTCP("web", netip.AddrPortFrom(netip.MustParseAddr(all), a.Port()))
		if !ok {
			t.Fatalf("%s: not taken", all)
		}
		talk(t, ln, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port()))
		ln.Close()
	}
	if _, ok := s.TakeTCP("web", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port())); ok {
		t.Error("one address is served by a socket for all, whose name is not the listener's")
	}
}

func TestNames(t *testing.T) {
	one, a := tcp(t, "tcp4", "127.0.0.1:0")
	s := set(t, []string{"web"}, one)
	if _, ok := s.TakeTCP("other", netip.AddrPortFrom(netip.MustParseAddr("0.0.0.0"), a.Port())); ok {
		t.Error("another listener's socket is taken though the address differs")
	}
	ln, ok := s.TakeTCP("web", netip.AddrPortFrom(netip.MustParseAddr("0.0.0.0"), a.Port()))
	if !ok {
		t.Fatal("the listener's own socket is not taken")
	}
	ln.Close()
	for n, want := range map[int][]string{1: {""}, 2: {"web", "rtsp"}, 3: {"", "", ""}} {
		if got := names([]string{"LISTEN_FDNAMES=web:rtsp"}, n); !slices.Equal(got, want) {
			t.Errorf("%d sockets: %q", n, got)
		}
	}
}

func TestWorkersOfUDP(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	u := c.(*net.UDPConn)
	s := set(t, nil, file(t, u), file(t, u))
	for range 2 { // the second time for a listener that was closed
		all, ok := s.TakeUDP("in", a)
		if !ok || len(all) != 2 {
			t.Fatalf("%d sockets, %v", len(all), ok)
		}
		for _, x := range all {
			if x.LocalAddr().String() != a.String() {
				t.Errorf("bound to %s", x.LocalAddr())
			}
			x.Close()
		}
	}
	if _, ok := s.TakeUDP("other", a); ok {
		t.Error("another listener's are taken")
	}
}

func TestWhatIsNoSocketIsNamed(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := gather([]*os.File{null, file(t, conn.(*net.TCPConn)), file(t, ln.(*net.TCPListener))}, []string{"a", "b", "c"})
	if s == nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err == nil || !strings.Contains(err.Error(), `0 "a": not a socket`) || !strings.Contains(err.Error(), `1 "b": a connection`) || s.Len() != 1 {
		t.Errorf("%v, %d left", err, s.Len())
	}
}

func TestAnnounced(t *testing.T) {
	for _, c := range []struct {
		environ string
		n       int
		fails   bool
	}{
		{"", 0, false},
		{"LISTEN_FDS=2", 0, false},
		{"LISTEN_FDS=2 LISTEN_PID=8", 0, false},
		{"LISTEN_FDS=2 LISTEN_PID=7", 2, false},
		{"LISTEN_FDS=x LISTEN_PID=7", 0, true},
		{"LISTEN_FDS=-1 LISTEN_PID=7", 0, true},
		{"LISTEN_FDS=2000000000 LISTEN_PID=7", 0, true},
	} {
		if n, err := announced(strings.Fields(c.environ), 7); n != c.n || (err != nil) != c.fails {
			t.Errorf("%s: %d, %v", c.environ, n, err)
		}
	}
	var none *Set
	if _, ok := none.TakeTCP("web", netip.AddrPort{}); ok || none.Rest() != nil || none.Len() != 0 {
		t.Error("a nil Set has sockets")
	}
	none.Release("web")
	none.Close()
}

const childOf = "WEIR_TEST_INHERIT"

// TestStart starts this test once more, as systemd starts weir: the shell sets LISTEN_PID to its own id and becomes the program.
func TestStart(t *testing.T) {
	if a := os.Getenv(childOf); a != "" {
		beChild(t, netip.MustParseAddrPort(a))
		return
	}
	f, a := tcp(t, "tcp4", "127.0.0.1:0")
	defer f.Close()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "-test.run=^TestStart$", "-test.v")
	cmd.Env = append(os.Environ(), childOf+"="+a.String(), "LISTEN_FDS=1", "LISTEN_FDNAMES=web")
	cmd.ExtraFiles = []*os.File{f}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestStart") {
		t.Errorf("%v\n%s", err, out)
	}
}

func beChild(t *testing.T, a netip.AddrPort) {
	s, err := Sockets(os.Environ())
	if err != nil || s.Len() != 1 || s.Rest()[0].Name != "web" {
		t.Fatalf("%+v, %v", s.Rest(), err)
	}
	defer s.Close()
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		if _, ok := os.LookupEnv(name); ok {
			t.Errorf("%s is left for children", name)
		}
	}
	ln, ok := s.TakeTCP("web", a)
	if !ok {
		t.Fatal("not taken")
	}
	defer ln.Close()
	talk(t, ln, a)
	// Descriptor 3 is the parent's socket; a child must not have it.
	if out, err := exec.Command("sh", "-c", "test ! -e /proc/self/fd/3 || readlink /proc/self/fd/3").Output(); err != nil || strings.Contains(string(out), "socket") {
		t.Errorf("a child has %q, %v", out, err)
	}
}

func FuzzAnnounced(f *testing.F) {
	f.Add("LISTEN_FDS=2", "LISTEN_PID=7", "LISTEN_FDNAMES=a:b")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		environ := []string{a, b, c}
		n, err := announced(environ, 7)
		if n < 0 || n > maxSockets || err != nil && n != 0 {
			t.Errorf("%q: %s", environ, strconv.Itoa(n))
		}
		if got := names(environ, n); n > 0 && len(got) != n {
			t.Errorf("%q: %d names for %d sockets", environ, len(got), n)
		}
	})
}
