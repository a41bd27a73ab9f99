package host_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

// wholeYAML has a listener of each kind.
const wholeYAML = `
listeners:
  web: {address: "127.0.0.1:0"}
  safe: {address: "127.0.0.1:0", tls: {cert: cert.pem, key: key.pem}}
  more: {address: "MORE", steer: off}
  in: {protocol: udp, address: "FLOWS", steer: off}
points:
  live: {source: push, grace: 1s}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  wmsp: {module: "builtin:wmsp", listeners: [web, more, safe], grant: {attach: ["*"]}}
`

// TestTakeOverWhole: what keeps a listener of the new configuration from being opened keeps the new server from taking over, and the old one goes on as it was.
func TestTakeOverWhole(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	more := freeAddress(t)
	_, port, _ := net.SplitHostPort(more)
	flows := freeFlows(t)
	yaml := strings.NewReplacer("MORE", more, "FLOWS", flows).Replace(wholeYAML)
	s := hosttest.Start(t, yaml, hosttest.WithFile("cert.pem", cert), hosttest.WithFile("key.pem", key), hosttest.WithFile("bad.pem", []byte("garbage")))
	b := air(t, s, 2)
	beside, err := net.Listen("tcp4", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	held, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	was := s.Status()
	for _, x := range []struct{ name, old, now, want string }{
		{"a certificate of garbage", "cert: cert.pem", "cert: bad.pem", "safe"},
		{"an address that this computer lacks", more, "192.0.2.1:" + port, "listener more: listen on 192.0.2.1:" + port},
		{"such an address of a new listener", "  in:", "  new: {address: \"192.0.2.1:8000\"}\n  in:", "listener new: listen on 192.0.2.1:8000"},
		{"a folder that is not there", "127.0.0.1:0\"}", "127.0.0.1:0\", fallback: {files: nowhere}}", "nowhere"},
		{"datagrams at such an address", flows, "192.0.2.1:5000", "listener in: listen on 192.0.2.1:5000"},
		{"datagrams at a held address", flows, held.LocalAddr().String(), "listener in: listen on " + held.LocalAddr().String()},
		{"an interface that is not there", "steer: off}\npoints", "steer: off, groups: [\"239.192.7.7\"], interface: none0}\npoints", "none0"},
		{"a plugin at the wrong listener", "listeners: [web], grant", "listeners: [web, in], grant", "datagrams"},
		{"no such plugin", "builtin:push", "builtin:none", "none"},
		{"what shows after Commit alone", more, "0.0.0.0:" + port, "listener more: listen on 0.0.0.0:" + port},
	} {
		t.Run(x.name, func(t *testing.T) {
			now := strings.Replace(yaml, x.old, x.now, 1)
			if now == yaml {
				t.Fatal("nothing is changed")
			}
			next, err := s.TryTakeOver(now)
			if err == nil {
				b.s = next
				t.Fatal("it took over")
			}
			if text := err.Error(); !strings.Contains(text, x.want) || !strings.Contains(text, "nothing has changed") {
				t.Errorf("the error lacks %q: %v", x.want, err)
			}
			s.Wait("the old server has all its listeners", func() bool { return reflect.DeepEqual(addresses(s.Status()), addresses(was)) })
			answers(t, s)
			b.attach(1)
		})
	}
	b.s = s.TakeOver()
	answers(t, b.s)
	b.attach(1)
	b.whole()
}

// addresses are those of the open listeners, by name.
func addresses(st hosttest.Status) map[string]string {
	all := map[string]string{}
	for _, l := range st.Listeners {
		if l.State == "open" {
			all[l.Name] = strings.Join(l.Addresses, " ")
		}
	}
	return all
}

// answers asks each TCP listener something.
func answers(t *testing.T, s *hosttest.Server) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for name, scheme := range map[string]string{"web": "http", "more": "http", "safe": "https"} {
		resp, err := client.Get(s.URL(name, scheme, "/nothing"))
		if err != nil {
			t.Errorf("listener %s: %v", name, err)
			continue
		}
		resp.Body.Close()
	}
}

// TestTakeOverOfFailed: a listener that has failed in the old server may fail in the new one.
func TestTakeOverOfFailed(t *testing.T) {
	t.Parallel()
	held, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	s := hosttest.Start(t, strings.Replace(broadcastYAML, "{web:", fmt.Sprintf(`{held: {address: "%s", steer: off}, away: {address: "192.0.2.1:8000"}, web:`, held.Addr()), 1))
	b := air(t, s, 1)
	b.s = s.TakeOver()
	if now := addresses(b.s.Status()); len(now) != 1 || now["web"] == "" {
		t.Errorf("open listeners: %v", now)
	}
	b.attach(1)
	b.whole()
}

// TestTakeOverCountsAll: after two take-overs the newest server tells of the viewers of both before it.
func TestTakeOverCountsAll(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 4)
	left := func(want int) {
		t.Helper()
		b.s.Wait(fmt.Sprintf("%d viewers are left", want), func() bool {
			st := b.s.Status().Takeover
			return st != nil && st.ViewersLeft == want
		})
	}
	b.s = b.s.TakeOver()
	left(4)
	b.s = b.s.TakeOver()
	left(4)
	if log := b.s.Log(); !strings.Contains(log, "viewers_left_there=4") {
		t.Error("the log does not tell of 4 viewers")
	}
	b.attach(3)
	b.s = b.s.TakeOver()
	left(7)
	b.whole()
}

// freeFlows is an address to which nobody takes datagrams.
func freeFlows(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}
