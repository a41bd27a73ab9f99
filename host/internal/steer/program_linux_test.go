package steer

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// contextBytes is the size of struct bpf_sk_lookup with the padding that the kernel wants in a test run.
const contextBytes = 72

// Verdicts of enum sk_action.
const (
	drop = 0
	pass = 1
)

// run runs the program for a look-up of an address, without traffic, and gives its verdict and the cookie of the socket chosen.
func run(t testing.TB, table *Table, protocol int, to netip.AddrPort, repeat uint32) (verdict uint32, cookie uint64) {
	t.Helper()
	b := make([]byte, contextBytes)
	n := binary.NativeEndian
	family, at := uint32(unix.AF_INET), 40
	if to.Addr().Is6() {
		family, at = unix.AF_INET6, 44
	}
	n.PutUint32(b[8:], family)
	n.PutUint32(b[12:], uint32(protocol))
	copy(b[at:], to.Addr().AsSlice())
	n.PutUint32(b[60:], uint32(to.Port()))
	out := make([]byte, contextBytes)
	verdict, err := table.objects.Steer.Run(&ebpf.RunOptions{Context: b, ContextOut: out, Repeat: repeat})
	if err != nil {
		t.Fatal(err)
	}
	return verdict, n.Uint64(out)
}

func cookieOf(t testing.TB, c syscall.Conn) uint64 {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var cookie uint64
	var inner error
	if err := raw.Control(func(fd uintptr) { cookie, inner = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE) }); err != nil || inner != nil {
		t.Fatal(err, inner)
	}
	return cookie
}

// What Go repeats of bpf/sk_lookup.c is so in the objects for both byte orders.
func TestObjects(t *testing.T) {
	for _, name := range []string{"sk_lookup_bpfel.o", "sk_lookup_bpfeb.o"} {
		spec, err := ebpf.LoadCollectionSpec(name)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]uint32{
			skLookupMapActive: 1, skLookupMapPortClass: 2 * ports, skLookupMapRules: 2 * maxRules,
			skLookupMapSockets: 2 * destinationsMax, skLookupMapStats: destinationsMax,
		} {
			if got := spec.Maps[name].MaxEntries; got != want {
				t.Errorf("map %s has place for %d, not %d", name, got, want)
			}
		}
		if got := spec.Maps[skLookupMapRules].KeySize; got != 4+ruleBits/8+16 {
			t.Errorf("keys of rules have %d bytes", got)
		}
		if p := spec.Programs[skLookupProgSteer]; p.Type != ebpf.SkLookup || p.License != "Dual MIT/GPL" {
			t.Errorf("program of type %v, license %q", p.Type, p.License)
		}
	}
}

// The offsets of crafted contexts are those of bpf/kernel.h.
func TestProgram(t *testing.T) {
	ns := newNamespace(t)
	table := ns.table()
	web, web6, in := ns.listen("127.0.0.1:0"), ns.listen("[::1]:0"), ns.packets("127.0.0.1:0")
	attach(t, table, "l1", web)
	attach(t, table, "l1", web6)
	if err := table.Attach("l2", UDP, false, in); err != nil {
		t.Fatal(err)
	}
	set(t, table,
		"tcp 10.0.0.0/8 80 l1", "tcp 10.1.0.0/16 80 l3", "tcp 10.1.1.1 80 l1", "tcp 10.2.0.0/16 80 l3 drop",
		"tcp 0.0.0.0/0 1-1023 l3", "tcp 0.0.0.0/0 1023 l1", "tcp ::/0 65535 l1", "tcp fd00::/8 80 l1", "tcp fd00:1::/32 80 l3 drop",
		"udp 10.0.0.0/8 80-90 l2", "udp fd00::/8 80 l2", "udp fd01::/16 80 l2 drop")
	tcp, udp := cookieOf(t, web), cookieOf(t, in)
	for _, c := range []struct {
		protocol int
		to       string
		verdict  uint32
		cookie   uint64
	}{
		{unix.IPPROTO_TCP, "10.0.0.1:80", pass, tcp},
		{unix.IPPROTO_TCP, "10.255.255.255:80", pass, tcp},
		{unix.IPPROTO_TCP, "11.0.0.0:80", pass, 0}, // l3 has no socket
		{unix.IPPROTO_TCP, "9.255.255.255:80", pass, 0},
		{unix.IPPROTO_TCP, "10.1.0.1:80", pass, 0},
		{unix.IPPROTO_TCP, "10.1.1.1:80", pass, tcp},
		{unix.IPPROTO_TCP, "10.2.0.1:80", drop, 0},
		{unix.IPPROTO_TCP, "1.2.3.4:1023", pass, tcp},
		{unix.IPPROTO_TCP, "10.0.0.1:1023", pass, tcp},
		{unix.IPPROTO_TCP, "10.0.0.1:1024", pass, 0},
		{unix.IPPROTO_TCP, "10.0.0.1:65535", pass, 0},
		{unix.IPPROTO_TCP, "10.0.0.1:0", pass, 0},
		{unix.IPPROTO_TCP, "[2001:db8::1]:65535", pass, cookieOf(t, web6)},
		{unix.IPPROTO_TCP, "[fd12:3456::1]:80", pass, cookieOf(t, web6)},
		{unix.IPPROTO_TCP, "[fd00:1::1]:80", drop, 0},
		{unix.IPPROTO_TCP, "[fc00::1]:80", pass, 0},
		{unix.IPPROTO_UDP, "10.0.0.1:79", pass, 0},
		{unix.IPPROTO_UDP, "10.0.0.1:80", pass, udp},
		{unix.IPPROTO_UDP, "10.0.0.1:90", pass, udp},
		{unix.IPPROTO_UDP, "10.0.0.1:91", pass, 0},
		{unix.IPPROTO_UDP, "[fd00::1]:80", pass, 0}, // l2 has no IPv6 socket
		{unix.IPPROTO_UDP, "[fd01::1]:80", drop, 0},
		{unix.IPPROTO_SCTP, "10.0.0.1:80", pass, 0},
	} {
		verdict, cookie := run(t, table, c.protocol, netip.MustParseAddrPort(c.to), 1)
		if verdict != c.verdict || cookie != c.cookie {
			t.Errorf("protocol %d to %s: verdict %d, cookie %d; want %d, %d", c.protocol, c.to, verdict, cookie, c.verdict, c.cookie)
		}
	}
	if s := stats(t, table, "l2", UDP); s != (Stats{"l2", UDP, 4, 2, 0}) {
		t.Errorf("counted: %+v", s)
	}
	// Attach refuses what the kernel would at each look-up; put past it, the errors are counted and the look-up falls through or is refused.
	for slot, c := range map[uint32]syscall.Conn{0: in, 1: in} {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			err = table.objects.Sockets.Put(slot+2*table.destinations[destination{"l3", TCP}], uint64(fd))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for to, want := range map[string]uint32{"10.1.0.1:80": pass, "10.2.0.1:80": drop} {
		if verdict, cookie := run(t, table, unix.IPPROTO_TCP, netip.MustParseAddrPort(to), 1); verdict != want || cookie != 0 {
			t.Errorf("a socket of the wrong protocol: verdict %d, cookie %d", verdict, cookie)
		}
	}
	if s := stats(t, table, "l3", TCP); s.Errors != 2 {
		t.Errorf("2 errors, counted: %+v", s)
	}
}

// Random claims, set one after the other, lead where the model says; and the kernel's maps hold what the table believes.
func TestProgramAgreesWithTheNaiveModel(t *testing.T) {
	ns := newNamespace(t)
	table := ns.table()
	sockets := map[target]uint64{} // as numberOf numbers them
	for i := range 4 {
		name := fmt.Sprintf("l%d", i)
		for v6, address := range map[bool]string{false: "127.0.0.1:0", true: "[::1]:0"} {
			for p, c := range map[Protocol]syscall.Conn{TCP: ns.listen(address), UDP: ns.packets(address)} {
				if err := table.Attach(name, p, v6, c); err != nil {
					t.Fatal(err)
				}
				sockets[target{numberOf(Claim{Listener: name, Protocol: p}), v6}] = cookieOf(t, c)
			}
		}
	}
	all := claims("tcp 192.0.2.1 1 l0", "tcp 192.0.2.1 2 l1", "tcp 192.0.2.1 3 l2", "tcp 192.0.2.1 4 l3",
		"udp 192.0.2.1 1 l0", "udp 192.0.2.1 2 l1", "udp 192.0.2.1 3 l2", "udp 192.0.2.1 4 l3") // so that none is forgotten
	r := rand.New(rand.NewPCG(3, 4))
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		for {
			b := make([]byte, 4*6)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			all = append(all[:8:8], random(b)...)
			if _, err := cut(all, numberOf); err == nil {
				break
			}
		}
		if err := table.Set(all); err != nil {
			t.Fatal(err)
		}
		for _, a := range []string{"10.1.1.1", "10.1.1.2", "10.2.2.2", "11.0.0.1", "fd00::1", "fd00::2", "2001::1"} {
			for _, port := range []uint16{1, 2, 78, 80, 81, 442, 443, 20000, 20500, 21000, 65534, 65535} {
				for p, number := range map[Protocol]int{TCP: unix.IPPROTO_TCP, UDP: unix.IPPROTO_UDP} {
					to := netip.AddrPortFrom(netip.MustParseAddr(a), port)
					var want uint64
					if rule, ok := naive(all, p, to); ok {
						want = sockets[target{rule.destination, to.Addr().Is6()}]
					}
					if _, cookie := run(t, table, number, to, 1); cookie != want {
						t.Fatalf("%v to %v: cookie %d, want %d; claims %v", p, to, cookie, want, all)
					}
				}
			}
		}
	}
	kernel, err := table.read()
	if err != nil {
		t.Fatal(err)
	}
	for side, im := range table.images {
		if d := difference(kernel[side], im); len(d.words)+len(d.put)+len(d.remove) != 0 {
			t.Errorf("side %d: the kernel's maps are not as they were written: %v", side, d)
		}
	}
}

func TestAttachRefusesWhatCannotServe(t *testing.T) {
	ns := newNamespace(t)
	table := ns.table()
	tcp4, tcp6, udp := ns.listen("127.0.0.1:0"), ns.listen("[::1]:0"), ns.packets("127.0.0.1:0")
	for name, err := range map[string]error{
		"v6-only for IPv4": table.Attach("l1", TCP, false, tcp6),
		"IPv4 for IPv6":    table.Attach("l1", TCP, true, tcp4),
		"UDP for TCP":      table.Attach("l1", TCP, false, udp),
		"TCP for UDP":      table.Attach("l1", UDP, false, tcp4),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for i := range destinationsMax {
		if err := table.Attach(fmt.Sprintf("m%d", i), TCP, false, tcp4); err != nil {
			t.Fatalf("listener %d: %v", i, err)
		}
	}
	if err := table.Attach("l2", TCP, false, tcp4); err == nil {
		t.Error("one listener too many: no error")
	}
	set(t, table, "tcp 10.0.0.0/8 80 m0") // all others are forgotten
	if err := table.Attach("l2", TCP, false, tcp4); err != nil {
		t.Error(err)
	}
}
