package host

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/steer"
)

// line is a port as the assertions write it.
func line(p admin.Port) string {
	return p.Direction + " " + p.Protocol + " " + p.Address + " " + p.Port + " " + p.Rung
}

func lines(all []admin.Port) (texts []string) {
	for _, p := range all {
		texts = append(texts, line(p))
	}
	return texts
}

func withConfig(c *config.Config) *Server {
	s := &Server{plugins: map[string]*loaded{}, listeners: map[string]*listening{}}
	s.changes.current.Store(c)
	return s
}

func TestPortsOfListeners(t *testing.T) {
	s := withConfig(&config.Config{})
	web := &listening{config: config.Listener{Name: "web"}, tcp: &netio.Listener{}, place: &place{
		rungs:   []rung{rungInherited, rungSteer},
		dialled: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:8080"), netip.MustParseAddrPort("[::1]:8080"), netip.MustParseAddrPort("127.0.0.2:80"), netip.MustParseAddrPort("10.0.0.0:20000")},
		claims:  []steer.Claim{{Prefix: netip.MustParsePrefix("127.0.0.2/32"), First: 80, Last: 80}, {Prefix: netip.MustParsePrefix("10.0.0.0/8"), First: 20000, Last: 20999}}}}
	if got, want := lines(s.listenerPorts(web)), []string{"in tcp 0.0.0.0 8080 inherited", "in tcp ::1 8080 inherited", "in tcp 127.0.0.2 80 steer", "in tcp 10.0.0.0/8 20000-20999 steer"}; !slices.Equal(got, want) {
		t.Errorf("TCP: %q\nwant %q", got, want)
	}
	groups := []netip.Addr{netip.MustParseAddr("239.192.7.7"), netip.MustParseAddr("ff15::7")}
	in := &listening{config: config.Listener{Name: "in", UDP: true, Datagrams: config.Datagrams{Groups: groups, Interface: "eth0"}}, place: &place{rungs: []rung{rungBind},
		dialled: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:5000"), netip.MustParseAddrPort("[::]:5000")}}}
	want := []string{"in udp 0.0.0.0 5000 bind", "in udp :: 5000 bind", "in udp 239.192.7.7 5000 bind", "in igmp *  ", "out igmp *  ", "in udp ff15::7 5000 bind", "in mld *  ", "out mld *  "}
	if got := lines(s.listenerPorts(in)); !slices.Equal(got, want) {
		t.Errorf("UDP: %q\nwant %q", got, want)
	}
}

func TestPortsOfDestinations(t *testing.T) {
	s := withConfig(&config.Config{Points: []config.Point{{Name: "live", Push: true, Multicast: []config.Destination{
		{To: netip.MustParseAddrPort("239.192.7.7:26000"), Interface: "eth0"}, {To: netip.MustParseAddrPort("[ff15::7]:26001")},
	}}}})
	all := s.Ports()
	if got, want := lines(all), []string{"out udp 239.192.7.7 26000 ", "out udp ff15::7 26001 "}; !slices.Equal(got, want) {
		t.Fatalf("%q\nwant %q", got, want)
	}
	if all[0].Purpose != "multicast of point live on eth0" {
		t.Errorf("%q", all[0].Purpose)
	}
}

func TestPortsThatAreReached(t *testing.T) {
	dial := func(text string) config.Dial {
		d, err := config.ParseDial(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	asks := &manifest.Manifest{Capabilities: []manifest.Capability{manifest.CapDial, manifest.CapListen, manifest.CapGroup}}
	c := config.Plugin{Name: "pull", Grant: config.Grant{Dial: []config.Dial{dial("tcp:10.0.0.0/8:1-65535"), dial("tcp:*.example.com:443"), dial("udp:127.0.0.1:6000")},
		Listen: []config.Dial{dial("udp:127.0.0.1:5000")}, Group: []config.Dial{dial("udp:239.0.0.0/8:26000")}}}
	got := lines(grantPorts(c, asks))
	want := []string{"in udp 127.0.0.1 5000 ", "out tcp 10.0.0.0/8 1-65535 ", "out tcp *.example.com 443 ", "out udp 127.0.0.1 6000 ", "in udp 239.0.0.0/8 26000 ", "out udp 239.0.0.0/8 26000 "}
	if !slices.Equal(got, want) {
		t.Errorf("grants: %q\nwant %q", got, want)
	}
	if all := grantPorts(c, &manifest.Manifest{}); all != nil {
		t.Errorf("what no manifest asks is open: %q", lines(all))
	}
	all := sourcePorts([]config.Point{{Name: "a", Push: true}, {Name: "b", URL: "file:x.asf"}, {Name: "c", URL: "http://encoder:8080"}, {Name: "d", URL: "mms://192.0.2.1/x"},
		{Name: "e", URL: "udp://192.0.2.9@239.192.7.7:5000?interface=eth0"}, {Name: "f", URL: "rtp://@:5001"}})
	all = append(all, upstreamPorts(config.Listener{Enabled: true, Fallback: config.Fallback{Upstream: "http://127.0.0.1:8000"}})...)
	want = []string{"out tcp encoder 8080 ", "out tcp 192.0.2.1 80 ", "in udp 239.192.7.7 5000 ", "in igmp *  ", "out igmp *  ", "in udp 0.0.0.0 5001 ", "out tcp 127.0.0.1 8000 "}
	if got := lines(all); !slices.Equal(got, want) {
		t.Errorf("sources and upstreams: %q\nwant %q", got, want)
	}
	if got := lines(lookupPorts(all)); !slices.Equal(got, []string{"out udp * 53 ", "out tcp * 53 "}) {
		t.Errorf("names: %q", got)
	}
	if got := lookupPorts(all[1:]); got != nil {
		t.Errorf("names without need: %q", lines(got))
	}
}
