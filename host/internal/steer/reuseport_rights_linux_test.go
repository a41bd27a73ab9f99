package steer

import (
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/netio"
)

// needsEBPF skips a test where the system does not let this process have programs.
func needsEBPF(t testing.TB) {
	t.Helper()
	spec, err := loadSkReuseport()
	if err != nil {
		t.Fatal(err)
	}
	var objects skReuseportObjects
	if err = spec.LoadAndAssign(&objects, nil); err == nil {
		objects.Close()
		return
	}
	if os.Geteuid() == 0 && os.Getenv("CI") != "" {
		t.Fatalf("load: %v", err)
	}
	t.Skipf("load: %v", unavailable(err))
}

// withoutRights takes all capabilities from the test's thread, which ends with the test.
func withoutRights(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
}

// TestSpreadTakeOver: another process's listener, given the sockets while datagrams come, gets all that the old one did not read, and all after that.
func TestSpreadTakeOver(t *testing.T) {
	needsEBPF(t)
	c := gather(t, NewSpreader(Options{}), false)
	c.add(100)
	c.round(20)
	for range 3 {
		c.all() // lest the next wait for readers while there are none
		var inherited []*net.UDPConn
		for _, s := range c.l.Sockets()[0] {
			inherited = append(inherited, duplicateOf(t, s))
		}
		old := c.l
		handed := make(chan struct{})
		go func() {
			defer close(handed)
			old.Close()
		}()
		c.round(2)
		<-handed
		c.renew()
		fresh := gather(t, NewSpreader(Options{}), false, func(o *netio.UDPOptions) {
			o.Addresses, o.Sockets, o.Handler = nil, [][]*net.UDPConn{inherited}, c
		})
		c.l = fresh.l
		if st := c.l.Stats(); st.Rung != RungEBPF || st.Workers != 4 || st.Draining != 0 {
			t.Fatalf("after take-over: %+v", st)
		}
		c.round(20)
	}
	c.all()
}

// renew lets each flow be opened once more.
func (c *choir) renew() {
	for _, m := range c.flows {
		m.opened.Store(0)
	}
}

func duplicateOf(t *testing.T, c *net.UDPConn) *net.UDPConn {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := net.FilePacketConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*net.UDPConn)
}
