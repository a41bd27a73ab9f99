package dgram

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

const port = 0x1234

func sixteen(addr string) *[16]byte {
	b := netip.MustParseAddr(addr).As16()
	return &b
}

// TestName: what is put is what the kernel wants, byte for byte, and is got again.
func TestName(t *testing.T) {
	for _, c := range []struct {
		v6    bool
		addr  string
		scope uint32
		get   string
		wire  []byte // after the family
	}{
		{false, "192.0.2.7", 0, "192.0.2.7", []byte{0x12, 0x34, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0}},
		{false, "::ffff:192.0.2.7", 0, "192.0.2.7", []byte{0x12, 0x34, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0}},
		{true, "192.0.2.7", 0, "::ffff:192.0.2.7", []byte{0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 7}},
		{true, "fe80::7", 3, "fe80::7", []byte{0x12, 0x34, 0, 0, 0, 0, 0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}},
	} {
		var n Name
		n.Put(!c.v6, sixteen("203.0.113.255"), 1, 9) // a name is used again, for the other family too
		n.Put(c.v6, sixteen(c.addr), port, c.scope)
		if addr, p, scope := n.Get(); addr != *sixteen(c.addr) || p != port || scope != c.scope {
			t.Errorf("%+v: got %v, %d, %d", c, addr, p, scope)
		}
		if got := n.AddrPort(); got != netip.AddrPortFrom(netip.MustParseAddr(c.get), port) {
			t.Errorf("%+v: got %v", c, got)
		}
		if got := n.Bytes()[2:][:len(c.wire)]; !bytes.Equal(got, c.wire) {
			t.Errorf("%+v: bytes %x", c, got)
		}
		if want := map[bool]uint32{false: unix.SizeofSockaddrInet4, true: unix.SizeofSockaddrInet6}[c.v6]; n.Len() != want || n.Pointer() != &n.Bytes()[0] {
			t.Errorf("%+v: %d bytes", c, n.Len())
		}
		var copied Name
		copy(copied.Bytes(), n.Bytes()[:n.Len()])
		if got := copied.AddrPort(); got != n.AddrPort() {
			t.Errorf("%+v: copied %v", c, got)
		}
	}
}

func TestNameAddrPort(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		t.Fatalf("no interface: %v", err)
	}
	first := interfaces[0]
	for a, want := range map[string]struct {
		length, scope uint32
	}{
		"127.0.0.1:4660":                           {unix.SizeofSockaddrInet4, 0},
		"[::ffff:127.0.0.1]:4660":                  {unix.SizeofSockaddrInet6, 0},
		"[::1]:4660":                               {unix.SizeofSockaddrInet6, 0},
		"[fe80::1%" + first.Name + "]:4660":        {unix.SizeofSockaddrInet6, uint32(first.Index)},
		"[fe80::1%" + strconv.Itoa(77777) + "]:80": {unix.SizeofSockaddrInet6, 77777},
		"[fe80::1%there is none]:80":               {unix.SizeofSockaddrInet6, 0},
	} {
		var n Name
		to := netip.MustParseAddrPort(a)
		n.PutAddrPort(to)
		if got := n.AddrPort(); got != netip.AddrPortFrom(to.Addr().WithZone(""), to.Port()) || n.Len() != want.length {
			t.Errorf("%s: got %v of %d bytes", a, got, n.Len())
		}
		if _, _, scope := n.Get(); scope != want.scope {
			t.Errorf("%s: scope %d, want %d", a, scope, want.scope)
		}
	}
}

// TestNameOfNone: the kernel gives no name for some errors.
func TestNameOfNone(t *testing.T) {
	var n Name
	if got := n.AddrPort(); got != netip.MustParseAddrPort("0.0.0.0:0") || n.Len() != 0 {
		t.Errorf("got %v of %d bytes", got, n.Len())
	}
}

// TestPutSource: the option is one that others read as such, and the place behind it stays.
func TestPutSource(t *testing.T) {
	for _, c := range []struct {
		v6    bool
		addr  string
		index uint32
		level int32
		want  []byte
	}{
		{false, "192.0.2.7", 0, unix.IPPROTO_IP, []byte{0, 0, 0, 0, 192, 0, 2, 7, 0, 0, 0, 0}},
		{true, "fe80::7", 0, unix.IPPROTO_IPV6, append(sixteen("fe80::7")[:], 0, 0, 0, 0)},
		{true, "192.0.2.7", 0x07070707, unix.IPPROTO_IPV6, append(sixteen("::ffff:192.0.2.7")[:], 7, 7, 7, 7)},
	} {
		b := bytes.Repeat([]byte{0xAA}, 64)
		n := PutSource(b, c.v6, sixteen(c.addr), c.index)
		all, err := unix.ParseSocketControlMessage(b[:n])
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v: %v, %v", c, all, err)
		}
		kind := map[bool]int32{false: unix.IP_PKTINFO, true: unix.IPV6_PKTINFO}[c.v6]
		if m := all[0]; m.Header.Level != c.level || m.Header.Type != kind || !bytes.Equal(m.Data, c.want) {
			t.Errorf("%+v: %+v", c, m)
		}
		if !bytes.Equal(b[n:], bytes.Repeat([]byte{0xAA}, len(b)-n)) {
			t.Errorf("%+v: more than %d bytes are written", c, n)
		}
	}
}
