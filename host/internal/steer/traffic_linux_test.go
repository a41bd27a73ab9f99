package steer

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTCPIsSteeredAwayFromAnotherServer(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	ns.serve("other", "0.0.0.0:20500")
	ns.serve("other6", "[fd00:7::1]:80") // bound exactly, and shadowed nevertheless
	table := ns.table()
	ns.expect("127.0.0.2:80", "other")

	runs, total, err := table.ProgramTime()
	if err != nil {
		t.Fatal(err)
	}
	attach(t, table, "web", ns.serve("weir", "127.0.0.1:0"))
	attach(t, table, "web", ns.serve("weir", "[::1]:0"))
	set(t, table, "tcp 127.0.0.2 80 web", "tcp 127.7.0.0/16 80 web", "tcp 127.0.0.2 20000-20999 web", "tcp fd00:7::/64 80-81 web")
	for address, name := range map[string]string{
		"127.0.0.2:80": "weir", "127.0.0.1:80": "other", "127.0.0.3:80": "other",
		"127.7.0.0:80": "weir", "127.7.255.255:80": "weir", "127.8.0.0:80": "other", "127.6.255.255:80": "other",
		"127.0.0.2:19999": "", "127.0.0.2:20000": "weir", "127.0.0.2:20500": "weir", "127.0.0.2:20999": "weir", "127.0.0.2:21000": "",
		"127.0.0.3:20500": "other", "127.0.0.3:20501": "",
		"[fd00:7::1]:80": "weir", "[fd00:7::2:3]:81": "weir", "[fd00:7::2]:82": "", "[::1]:80": "",
	} {
		ns.expect(address, name)
	}
	if s := stats(t, table, "web", TCP); s.Lookups != 8 || s.Misses != 0 || s.Errors != 0 {
		t.Errorf("8 steered connections, counted: %+v", s)
	}
	if runs2, total2, err := table.ProgramTime(); err != nil || runs2 < runs+18 || total2 <= total {
		t.Errorf("program time of 18 look-ups: from %d in %v to %d in %v, %v", runs, total, runs2, total2, err)
	}
	set(t, table, "tcp 127.0.0.3 80 web")
	ns.expect("127.0.0.2:80", "other")
	ns.expect("127.0.0.3:80", "weir")

	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	ns.expect("127.0.0.3:80", "other")
	ns.expect("[fd00:7::1]:80", "other6")
	if err := table.Set(nil); err == nil {
		t.Error("a closed table takes claims")
	}
}

func TestWithoutASocket(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	table := ns.table()
	l := ns.serve("weir", "127.0.0.1:0")
	set(t, table, "tcp 127.0.0.2 80 web", "tcp 127.0.0.3 80 web drop")
	ns.expect("127.0.0.2:80", "other")
	ns.expect("127.0.0.3:80", "") // refused
	attach(t, table, "web", l)
	ns.expect("127.0.0.2:80", "weir")
	ns.expect("127.0.0.3:80", "weir")
	if err := table.Detach("web", TCP, false); err != nil {
		t.Fatal(err)
	}
	ns.expect("127.0.0.2:80", "other")
	attach(t, table, "web", l)
	ns.expect("127.0.0.2:80", "weir")
	l.Close() // leaves the table by itself
	ns.expect("127.0.0.2:80", "other")
	ns.expect("127.0.0.3:80", "")
	if s := stats(t, table, "web", TCP); s.Lookups != 8 || s.Misses != 5 {
		t.Errorf("3 steered and 5 missed, counted: %+v", s)
	}
	for _, err := range []error{table.Detach("web", TCP, false), table.Detach("nobody", UDP, true)} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestListenersAreForgotten(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	table := ns.table()
	attach(t, table, "a", ns.serve("weir a", "127.0.0.1:0"))
	attach(t, table, "b", ns.serve("weir b", "127.0.0.1:0"))
	set(t, table, "tcp 127.0.0.2 80 a", "tcp 127.0.0.0/8 80 b")
	ns.expect("127.0.0.2:80", "weir a")
	ns.expect("127.0.0.1:80", "weir b")
	set(t, table, "tcp 127.0.0.2 80 b")
	set(t, table, "tcp 127.0.0.2 80 c", "tcp 127.0.0.3 80 b")
	ns.expect("127.0.0.2:80", "other") // c has the place of a, but not its socket
	ns.expect("127.0.0.3:80", "weir b")
	if s := stats(t, table, "c", TCP); s.Lookups != 1 || s.Misses != 1 {
		t.Errorf("a new listener begins with %+v", s)
	}
	names := fmt.Sprint(table.Claims())
	if names != "[tcp 127.0.0.2 port 80 tcp 127.0.0.3 port 80]" {
		t.Error(names)
	}
}

// Rules change under connections, and each of those gets an answer from one of the two servers.
func TestLiveChange(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	table := ns.table()
	l := ns.serve("weir", "127.0.0.1:0")
	attach(t, table, "web", l)

	var stop atomic.Bool
	var asked, steered, failed atomic.Int64
	var workers sync.WaitGroup
	for i := range 4 {
		workers.Go(func() {
			ns.do(func() {
				for !stop.Load() {
					answer, err := ask(fmt.Sprintf("127.0.0.%d:80", i+2))
					asked.Add(1)
					switch {
					case err != nil:
						failed.Add(1)
						t.Error(err)
					case strings.HasPrefix(answer, "weir"):
						steered.Add(1)
					}
				}
			})
		})
	}
	changes := 100
	if testing.Short() {
		changes = 20
	}
	for i := range changes {
		before := asked.Load()
		lines := []string{"tcp 127.0.0.0/8 1-65535 web"}
		if i&1 == 1 {
			lines = []string{"tcp 127.0.0.9 80 web"}
		}
		for n := range i % 7 {
			lines = append(lines, fmt.Sprintf("tcp 10.0.0.%d %d web", n, 60+i+n))
		}
		set(t, table, lines...)
		for asked.Load() < before+8 && failed.Load() == 0 {
			runtime.Gosched()
		}
	}
	stop.Store(true)
	workers.Wait()
	t.Logf("%d changes under %d connections, %d of them steered", changes, asked.Load(), steered.Load())
	if steered.Load() == 0 || steered.Load() == asked.Load() {
		t.Error("the changes had no effect")
	}
}

// The generation counts over its end without a rule lost.
func TestGenerationWraps(t *testing.T) {
	ns := newNamespace(t)
	ns.serve("other", "0.0.0.0:80")
	table := ns.table()
	attach(t, table, "web", ns.serve("weir", "127.0.0.1:0"))
	set(t, table, "tcp 127.0.0.2 80 web") // generation 1
	table.generation = 1<<32 - 3          // as odd
	if err := table.objects.Active.Put(uint32(0), table.generation); err != nil {
		t.Fatal(err)
	}
	ns.expect("127.0.0.2:80", "weir")
	for i := range 5 {
		set(t, table, fmt.Sprintf("tcp 127.0.0.%d 80 web", i+3))
		ns.expect(fmt.Sprintf("127.0.0.%d:80", i+3), "weir")
		ns.expect(fmt.Sprintf("127.0.0.%d:80", i+2), "other")
	}
	if table.generation != 2 {
		t.Errorf("generation %d", table.generation)
	}
}

func TestUDPGoesToTheAnchor(t *testing.T) {
	ns := newNamespace(t)
	table := ns.table()
	other, exact := ns.packets("0.0.0.0:5000"), ns.packets("127.0.0.2:5000")
	anchor, anchor6 := ns.packets("127.0.0.1:0"), ns.packets("[::1]:0")
	for v6, c := range map[bool]*net.UDPConn{false: anchor, true: anchor6} {
		if err := table.Attach("in", UDP, v6, c); err != nil {
			t.Fatal(err)
		}
	}
	set(t, table, "udp 127.0.0.2 5000 in", "udp 127.9.0.0/16 5000-5999 in", "udp fd00:7::/64 5000 in")
	for to, c := range map[string]*net.UDPConn{
		"127.0.0.2:5000": anchor, "127.0.0.3:5000": other, "127.9.9.9:5000": anchor, "127.9.0.1:5999": anchor, "[fd00:7::9]:5000": anchor6,
	} {
		from := ns.packets(map[string]string{"4": "0.0.0.0:0", "6": "[::]:0"}[family(to)])
		if _, err := from.WriteToUDPAddrPort([]byte(to), netip.MustParseAddrPort(to)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, _, err := c.ReadFromUDP(b)
		if err != nil || string(b[:n]) != to {
			t.Errorf("to %s: got %q, %v", to, b[:n], err)
		}
	}
	var shadows []Shadow
	ns.do(func() {
		var err error
		if shadows, err = Shadows(table.Claims()); err != nil {
			t.Error(err)
		}
	})
	if len(shadows) != 1 || shadows[0].Address != exact.LocalAddr().(*net.UDPAddr).AddrPort() || shadows[0].Listener != "in" || shadows[0].Inode == 0 {
		t.Errorf("shadows: %v", shadows)
	}
	if s := stats(t, table, "in", UDP); s.Lookups != 4 {
		t.Errorf("4 datagrams of as many flows, counted: %+v", s)
	}
}

// All calls may be made at once.
func TestConcurrentUse(t *testing.T) {
	ns := newNamespace(t)
	table := ns.table()
	l := ns.serve("weir", "127.0.0.1:0")
	attach(t, table, "web", l)
	rounds := 20
	var workers sync.WaitGroup
	for n := range 4 {
		workers.Go(func() {
			for i := range rounds {
				err := []func() error{
					func() error { return table.Set(claims(fmt.Sprintf("tcp 127.0.0.%d %d web", n, i+1))) },
					func() error { return table.Attach("web", TCP, false, l) },
					func() error { return table.Detach("web", TCP, false) },
					func() error { _, err := table.Stats(); return err },
					func() error { _ = table.Claims(); return nil },
					func() error { _, _, err := table.ProgramTime(); return err },
					func() error {
						files, err := table.Files()
						closeAll(files)
						return err
					},
				}[(i+n)%7]()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	set(t, table, "tcp 127.0.0.2 80 web")
	attach(t, table, "web", l)
	ns.expect("127.0.0.2:80", "weir")
	for range 2 {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := table.Files(); err == nil {
		t.Error("a closed table gives descriptors")
	}
	if err := table.Attach("web", TCP, false, l); err == nil {
		t.Error("a closed table takes sockets")
	}
}
