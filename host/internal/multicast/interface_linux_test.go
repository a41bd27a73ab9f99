package multicast

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const ownNetwork = "WEIR_TEST_OWN_NETWORK"

// inOwnNetwork runs the test again by a process that has a network of its own. It tells
// whether this is that process.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownNetwork) != "" {
		return true
	}
	switch _, err := exec.LookPath("ip"); {
	case os.Getuid() != 0:
		t.Skip("network namespaces need root")
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("ip is not installed; it is in the package iproute2")
	case err != nil:
		t.Skip("ip is not installed; it is in the package iproute2")
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	c.Env = append(os.Environ(), ownNetwork+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func ip(t *testing.T, arguments string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(arguments)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", arguments, err, out)
	}
}

// An interface that is removed and made again has another number: the socket is opened anew.
func TestInterfaceComesBack(t *testing.T) {
	if !inOwnNetwork(t) {
		return
	}
	up := func() {
		ip(t, "link add weirtest0 type bridge")
		ip(t, "address add 10.7.7.1/24 dev weirtest0")
		ip(t, "link set weirtest0 up")
	}
	ip(t, "link set lo up")
	up()
	r := newRig(t)
	r.room.Close()
	r.room = New(Options{Pool: r.pool, Log: slog.New(slog.DiscardHandler)}) // in real time
	r.open("asf")
	group := netip.MustParseAddrPort("239.192.7.7:26000")
	r.room.Set([]Destination{{Point: r.point, Rendition: "asf", To: group, TTL: 1, Interface: "weirtest0", Loopback: true}})
	r.untilState(Sending)
	r.put("x")
	sent := func(all []Status) uint64 { return all[0].Datagrams }
	r.until("it is sent", func(all []Status) bool { return sent(all) >= 2 })

	ip(t, "link delete weirtest0")
	const remedy = "there is no interface weirtest0; bring it up"
	r.until("it fails", func(all []Status) bool {
		r.put("x")
		return all[0].State == Failed && all[0].Reason != "" && strings.HasPrefix(all[0].Remedy, remedy)
	})
	up()
	i, err := net.InterfaceByName("weirtest0")
	if err != nil {
		t.Fatal(err)
	}
	member, err := net.ListenMulticastUDP("udp4", i, net.UDPAddrFromAddrPort(group))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	r.untilState(Sending)
	before := sent(r.room.Of(r.point))
	r.until("it is sent again", func(all []Status) bool { r.put("x"); return sent(all) > before })
	r.want(member, "HEADER")

	ip(t, "link set weirtest0 down")
	r.until("it fails", func(all []Status) bool {
		r.put("x")
		return all[0].State == Failed && strings.HasSuffix(all[0].Remedy, "ip link set weirtest0 up`")
	})
}
