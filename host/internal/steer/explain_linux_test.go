package steer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	memlock := fmt.Errorf("map create: %w (MEMLOCK may be too low, consider rlimit.RemoveMemlock)", unix.EPERM)
	for _, c := range []struct {
		err     error
		release string
		lacking []string
		want    string // the beginning of what is missing
	}{
		{memlock, "6.18.1", []string{"CAP_BPF"}, "CAP_BPF"},
		{memlock, "5.10.0-8-amd64", []string{"CAP_BPF", "CAP_NET_ADMIN"}, "CAP_BPF and CAP_NET_ADMIN"},
		{memlock, "5.10.0-8-amd64", nil, "more locked memory"},
		{memlock, "6.18.1", nil, "to be allowed the bpf system call"},
		{fmt.Errorf("load: %w", ebpf.ErrNotSupported), "5.8.18", nil, "a kernel from 5.9 on (this is 5.8.18)"},
		{unix.EINVAL, "4.19.0", nil, "a kernel from 5.9 on (this is 4.19.0)"},
		{unix.EINVAL, "6.18.1", nil, ""},
		{unix.ENOSYS, "6.18.1", nil, "a kernel built with"},
		{unix.ENOSYS, "strange", nil, "a kernel built with"},
		{unix.EACCES, "6.18.1", nil, ""},
	} {
		got := explain(c.err, c.release, c.lacking)
		if !strings.HasPrefix(got.Missing, c.want) || c.want == "" && got.Missing != "" || strings.Contains(got.Error(), "MEMLOCK may") {
			t.Errorf("%v on %s without %v: %v", c.err, c.release, c.lacking, got)
		}
	}
}

// message is a netlink message of socket diagnosis.
func message(kind uint16, body []byte) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(body)+3)
	binary.NativeEndian.PutUint32(b, uint32(len(b)+len(body)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	b = append(b, body...)
	return append(b, make([]byte, -len(b)&3)...)
}

// socketBody is an inet_diag_msg.
func socketBody(to string, uid, inode uint32) []byte {
	a := netip.MustParseAddrPort(to)
	b := make([]byte, diagAnswerBytes)
	b[0] = unix.AF_INET
	if a.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	binary.BigEndian.PutUint16(b[4:], a.Port())
	copy(b[8:], a.Addr().AsSlice())
	binary.NativeEndian.PutUint32(b[64:], uid)
	binary.NativeEndian.PutUint32(b[68:], inode)
	return b
}

func TestParseDiag(t *testing.T) {
	b := message(diagTypeByFamily, socketBody("127.0.0.2:80", 33, 1234))
	b = append(b, message(diagTypeByFamily, append(socketBody("[::ffff:10.0.0.1]:81", 0, 5), 1, 2, 3))...)
	more, done, err := parseDiag(b, UDP)
	want := []Shadow{
		{Protocol: UDP, Address: netip.MustParseAddrPort("127.0.0.2:80"), UID: 33, Inode: 1234},
		{Protocol: UDP, Address: netip.MustParseAddrPort("10.0.0.1:81"), Inode: 5},
	}
	if !reflect.DeepEqual(more, want) || done || err != nil {
		t.Errorf("got %v, %v, %v", more, done, err)
	}
	if _, done, err := parseDiag(append(b, message(unix.NLMSG_DONE, nil)...), TCP); !done || err != nil {
		t.Errorf("the end: %v, %v", done, err)
	}
	refused := binary.NativeEndian.AppendUint32(nil, ^uint32(unix.ENOENT)+1)
	if _, _, err := parseDiag(message(unix.NLMSG_ERROR, refused), TCP); !errors.Is(err, unix.ENOENT) {
		t.Errorf("an error: %v", err)
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(append(message(diagTypeByFamily, socketBody("[::1]:80", 1, 2)), message(unix.NLMSG_DONE, nil)...))
	f.Add(message(unix.NLMSG_ERROR, []byte{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		sockets, _, _ := parseDiag(b, TCP)
		if len(sockets) > len(b)/diagAnswerBytes {
			t.Errorf("%d sockets in %d bytes", len(sockets), len(b))
		}
	})
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(`{"Version":1,"Destinations":[{"Listener":"web","Protocol":1,"Number":3}],"Claims":[{"Prefix":"::/0","First":1,"Last":2,"Listener":"web"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err == nil && len(s.Destinations) > destinationsMax {
			t.Errorf("%d destinations", len(s.Destinations))
		}
	})
}

func FuzzParseRuleKey(f *testing.F) {
	f.Add(uint32(64), uint8(1), uint8(unix.AF_INET), uint16(7), uint32(10), uint32(0))
	f.Add(uint32(160), uint8(0), uint8(unix.AF_INET6), uint16(7), uint32(0xfd), uint32(1))
	f.Fuzz(func(t *testing.T, length uint32, generation, family uint8, class uint16, first, last uint32) {
		key := skLookupRuleKey{Prefixlen: length, Generation: generation, Family: family, Class: class, Address: [4]uint32{first, 0, 0, last}}
		side, k, err := parseRuleKey(key)
		if err != nil {
			return
		}
		if family == unix.AF_INET {
			key.Address[3] = 0
		}
		if back := ruleKey(side, k); back != key {
			t.Errorf("%+v became %+v", key, back)
		}
	})
}

func TestShadows(t *testing.T) {
	ns := newNamespace(t)
	for _, a := range []string{"127.0.0.2:80", "0.0.0.0:81", "127.0.0.3:8080", "[fd00:7::1]:80", "[::]:82"} {
		ns.listen(a)
	}
	ns.packets("127.0.0.2:80")
	ns.packets("127.0.0.2:90")
	connected := ns.packets("127.0.0.9:80")
	raw, err := connected.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		err = unix.Connect(int(fd), &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	ns.do(func() {
		found, err := Shadows(claims("tcp 127.0.0.0/8 1-1000 l1", "tcp 127.0.0.2 80 l2", "tcp ::/0 1-65535 l3", "udp 127.0.0.0/8 80-89 l4"))
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, s := range found {
			if s.Inode == 0 || !strings.Contains(s.String(), s.Listener) {
				t.Errorf("%+v", s)
			}
			got = append(got, fmt.Sprintf("%v %v %s", s.Protocol, s.Address, s.Listener))
		}
		want := []string{"tcp 127.0.0.2:80 l2", "tcp [fd00:7::1]:80 l3", "udp 127.0.0.2:80 l4"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q", got)
		}
	})
	if _, err := Shadows([]Claim{{}}); err == nil {
		t.Error("a claim of nothing: no error")
	}
}
