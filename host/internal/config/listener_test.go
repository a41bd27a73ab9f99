package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const listeners = `listeners:
  web: {address: "0.0.0.0:80", tls: {cert: c.pem, key: /k.pem}, fallback: {files: www, listing: true}}
  proxy: {addresses: ["::1"], ports: [80, "8000-8000"], fallback: {upstream: "https://[::2]:8443/base/"}, steer: off}
  wide:
    protocol: tcp
    addresses: [127.0.0.2, "10.0.0.0/8", "192.0.2.1/32"]
    ports: [80, "20000-20999"]
    steer: require
  in:
    protocol: udp
    address: "0.0.0.0:80"
    workers: 2
    groups: ["239.192.7.7", "ff15::7"]
    interface: eth0
    flow: {offset: 8, bytes: 4}
`

func TestListeners(t *testing.T) {
	c := parsed(t, listeners)
	at, net := netip.MustParseAddrPort, netip.MustParsePrefix
	want := []Listener{
		{
			Name: "in", Enabled: true, UDP: true, Steer: SteerAuto, Addresses: []netip.AddrPort{at("0.0.0.0:80")},
			Datagrams: Datagrams{2, []netip.Addr{netip.MustParseAddr("239.192.7.7"), netip.MustParseAddr("ff15::7")}, "eth0", Flow{8, 4}},
		},
		{
			Name: "proxy", Enabled: true, Steer: SteerOff, Addresses: []netip.AddrPort{at("[::1]:80"), at("[::1]:8000")},
			Fallback: Fallback{Upstream: "https://[::2]:8443/base/"},
		},
		{
			Name: "web", Enabled: true, Steer: SteerAuto, Addresses: []netip.AddrPort{at("0.0.0.0:80")},
			TLS: TLS{"etc/c.pem", "/k.pem"}, Fallback: Fallback{Files: "etc/www", Listing: true},
		},
		{
			Name: "wide", Enabled: true, Steer: SteerRequire, Addresses: []netip.AddrPort{at("127.0.0.2:80"), at("192.0.2.1:80")},
			Claims: []Claim{
				{net("127.0.0.2/32"), 20000, 20999}, {net("10.0.0.0/8"), 80, 80}, {net("10.0.0.0/8"), 20000, 20999}, {net("192.0.2.1/32"), 20000, 20999},
			},
		},
	}
	if !reflect.DeepEqual(c.Listeners, want) {
		t.Errorf("got  %+v\nwant %+v", c.Listeners, want)
	}
}

// checkListener holds for every listener that Parse accepts.
func checkListener(t *testing.T, l Listener) {
	t.Helper()
	bad := len(l.Addresses)+len(l.Claims) == 0 || len(l.Claims) > 0 && l.Steer == SteerOff || len(l.Addresses) > maxSockets
	bad = bad || l.UDP && (l.TLS != TLS{} || l.Fallback != Fallback{}) || !l.UDP && !reflect.DeepEqual(l.Datagrams, Datagrams{})
	bad = bad || (l.TLS.Cert == "") != (l.TLS.Key == "") || l.Fallback.Files != "" && l.Fallback.Upstream != ""
	for _, a := range l.Addresses {
		bad = bad || !a.IsValid() || a.Port() == 0 || a.Addr().IsMulticast()
	}
	for _, c := range l.Claims {
		bad = bad || !c.Prefix.IsValid() || c.First == 0 || c.Last < c.First || c.Prefix != c.Prefix.Masked() || c.Prefix.IsSingleIP() && c.First == c.Last
	}
	if bad {
		t.Fatalf("accepted %+v", l)
	}
}

var listenerProblems = []struct{ listener, want string }{
	{"{address: ':1', protocol: sctp}", `x.protocol: "sctp" is unknown; write tcp or udp`},
	{"{address: ':1', ports: [2]}", "x.address: stands beside addresses, port or ports"},
	{"{addresses: [], port: 80}", "x.addresses: is empty, which is not the same as all; write at least one address"},
	{"{addresses: [127.0.0.1], ports: []}", "x.ports: is empty, which is not the same as all; write at least one port"},
	{"{addresses: [127.0.0.1], port: 80, ports: [81]}", "x.port: stands beside ports; keep one"},
	{"{ports: [80]}", "x: has no address"},
	{"{addresses: [127.0.0.1], port: 80-90}", `x.port: "80-90" is a range; write ports: ["80-90"]`},
	{"{addresses: [127.0.0.1], ports: ['90-80']}", `x.ports.0: "90-80" ends before it begins`},
	{"{addresses: [127.0.0.1], ports: ['0-80']}", `x.ports.0: port "0" is not 1 to 65535`},
	{"{addresses: [127.0.0.1], ports: ['80-']}", `x.ports.0: port "" is not 1 to 65535`},
	{"{addresses: [127.0.0.1], ports: ['1-65536']}", `x.ports.0: port "65536" is not 1 to 65535`},
	{"{addresses: [127.0.0.1], ports: ['80-90', 85]}", "x.ports.1: 85 is in 80-90 already; keep one"},
	{"{addresses: [127.0.0.1, '127.0.0.1/32'], port: 80}", "x.addresses.1: 127.0.0.1/32 stands twice; keep one"},
	{"{addresses: ['10.1.2.3/8'], port: 80}", `x.addresses.0: "10.1.2.3/8" has bits beyond its length; write 10.0.0.0/8 for the network, or 10.1.2.3 for the address`},
	{"{addresses: ['10.0.0.0/33'], port: 80}", `x.addresses.0: "10.0.0.0/33" is not a prefix; write one such as`},
	{"{addresses: ['224.0.0.0/8'], port: 80}", "x.addresses.0: \"224.0.0.0/8\" is multicast, which is never steered"},
	{"{address: '239.1.1.1:80', protocol: udp}", "x.address: 239.1.1.1 is a multicast group; write it under groups"},
	{"{addresses: ['fe80::1%eth0'], port: 80}", `has a zone, which only address: "[fe80::1%eth0]:PORT" can have`},
	{"{address: '[fe80::1]:80'}", "is a link-local address"},
	{"{addresses: ['10.0.0.0/8'], port: 80, steer: off}", "x.steer: is off, but no socket can be bound to a prefix or a range of ports (10.0.0.0/8:80): only steering gives them"},
	{"{addresses: [127.0.0.1], ports: ['1-2'], steer: false}", "x.steer: is off"},
	{"{address: ':1', steer: always}", `x.steer: "always" is unknown; write auto`},
	{"{address: ':1', tls: {cert: a}}", "x.tls: has no key; write {cert: FILE, key: FILE}"},
	{"{address: ':1', tls: {key: a}}", "x.tls: has no cert"},
	{"{address: ':1', tls: {}}", "x.tls: has no cert"},
	{"{address: ':1', fallback: {}}", "x.fallback: names nobody"},
	{"{address: ':1', fallback: {files: a, upstream: 'http://b'}}", "x.fallback.upstream: stands beside files"},
	{"{address: ':1', fallback: {upstream: 'http://b', listing: true}}", "x.fallback.listing: stands without files"},
	{"{address: ':1', fallback: {upstream: 'ftp://b'}}", `x.fallback.upstream: "ftp://b" is neither http nor https; write for example`},
	{"{address: ':1', fallback: {upstream: 'http:b'}}", `"http:b" names no host`},
	{"{address: ':1', fallback: {upstream: 'http://:80'}}", `"http://:80" names no host`},
	{"{address: ':1', fallback: {upstream: 'http://a:b@c'}}", "holds a user name, which the log would show"},
	{"{address: ':1', fallback: {upstream: 'http://a?b'}}", "has more than a host and a path"},
	{"{address: ':1', fallback: {upstream: 'http://a:65536'}}", "has a port that is not 1 to 65535"},
	{"{address: ':1', protocol: udp, tls: {cert: a, key: b}}", "x.tls: is for TCP alone; remove it, or protocol: udp"},
	{"{address: ':1', protocol: udp, fallback: {files: a}}", "x.fallback: is for TCP alone"},
	{"{address: ':1', workers: 2}", "x.workers: is for datagrams alone; remove it, or add protocol: udp"},
	{"{address: ':1', groups: [239.1.1.1]}", "x.groups: is for datagrams alone"},
	{"{address: ':1', interface: eth0}", "x.interface: is for datagrams alone"},
	{"{address: ':1', flow: {bytes: 1}}", "x.flow: is for datagrams alone"},
	{"{address: ':1', protocol: udp, workers: 0}", `x.workers: "0" is not a whole number from 1 to 64`},
	{"{address: ':1', protocol: udp, groups: []}", "x.groups: is empty"},
	{"{address: ':1', protocol: udp, groups: [10.0.0.1]}", "x.groups.0: 10.0.0.1 is no multicast group"},
	{"{address: ':1', protocol: udp, groups: [239.1.1.1, 239.1.1.1]}", "x.groups.1: 239.1.1.1 stands twice"},
	{"{address: ':1', protocol: udp, interface: eth0}", "x.interface: says where groups are joined, and there are none"},
	{"{address: ':1', protocol: udp, groups: [239.1.1.1], interface: 0123456789abcdef}", "is no network interface"},
	{"{address: ':1', protocol: udp, flow: {offset: 1}}", `x.flow.bytes: "" is not a whole number from 1 to 8`},
	{"{address: ':1', protocol: udp, flow: {offset: -1, bytes: 17}}", `x.flow.bytes: "17" is not a whole number from 1 to 8`},
	{"{address: ':1', protocol: udp, flow: {offset: -1, bytes: 1}}", `x.flow.offset: "-1" is not a whole number from 0 to 504`},
	{"{addresses: [127.0.0.1], ports: [" + strings.Repeat("1,", maxClaims) + "2]}", "x.ports: has 4097 entries, more than 4096"},
}

func TestListenerProblems(t *testing.T) {
	for _, c := range listenerProblems {
		got, err := parse("listeners: {x: " + c.listener + "}")
		if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%.80s\ngot  %v\nwant %s", c.listener, err, c.want)
		}
	}
	var all []string
	for i := range 17 {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, byte(i)}).String())
	}
	_, err := parse("listeners: {x: {addresses: [" + strings.Join(all, ", ") + "], ports: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]}}")
	if err == nil || !strings.Contains(err.Error(), "x.addresses: is 272 sockets with the ports, more than 256") {
		t.Errorf("got %v", err)
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"{address: ':80'}", "{address: ':80', protocol: udp}", ""},
		{"{address: ':80'}", "{address: '[::]:80'}", ""},
		{"{address: ':80', protocol: udp}", "{address: '127.0.0.1:80', protocol: udp}", "listeners.b: 127.0.0.1:80 is already taken by listeners.a (0.0.0.0:80)"},
		{"{address: ':80'}", "{address: '127.0.0.2:80', steer: require}", ""},
		{"{address: '127.0.0.2:80', steer: require}", "{address: ':80'}", ""},
		{"{address: ':80'}", "{addresses: [127.0.0.2], ports: ['80-81']}", ""},
		{"{address: ':80'}", "{addresses: [10.0.0.0/8], port: 80}", ""},
		{"{address: '10.1.2.3:80'}", "{addresses: [10.0.0.0/8], port: 80}", "steering 10.0.0.0/8:80 to listeners.b would take what is sent to 10.1.2.3:80 of listeners.a; choose"},
		{"{addresses: [10.0.0.0/8], port: 80}", "{address: '10.1.2.3:80'}", "listeners.b: steering 10.0.0.0/8:80 to listeners.a would take what is sent to 10.1.2.3:80 of listeners.b; choose"},
		{"{addresses: [10.0.0.0/8], port: 80}", "{address: '10.1.2.3:80', steer: require}", ""},
		{"{addresses: [10.0.0.0/8], ports: ['80-90']}", "{addresses: [10.0.0.0/16], ports: ['85-95']}", ""},
		{"{addresses: [10.0.0.0/8], ports: ['80-90']}", "{addresses: [10.0.0.0/8], ports: ['85-95']}", "10.0.0.0/8:85-95 is already taken by listeners.a (10.0.0.0/8:80-90)"},
		{"{addresses: [10.0.0.0/8], ports: ['80-90']}", "{addresses: [10.0.0.0/8], ports: ['91-95']}", ""},
		{"{address: ':80', steer: require}", "{address: ':80', steer: require}", "0.0.0.0:80 is already taken by listeners.a (0.0.0.0:80)"},
		{"{address: ':80', steer: require}", "{address: ':80'}", "steering 0.0.0.0:80 to listeners.a would take what is sent to 0.0.0.0:80 of listeners.b"},
		{"{addresses: [10.0.0.0/8, 10.1.2.3], port: 80}", "{address: ':81'}", ""},
		{"{addresses: [127.0.0.1, 0.0.0.0], port: 80}", "{address: ':81'}", "listeners.a: 0.0.0.0:80 is already taken by listeners.a (127.0.0.1:80)"},
		{"{address: ':80', enabled: false}", "{address: ':80'}", ""},
		{"{addresses: ['2001:db8::/32'], port: 80}", "{address: '[::]:80'}", ""},
		{"{address: '[fe80::1%lo]:80'}", "{address: '[fe80::1%lo]:80'}", "is already taken"},
	} {
		_, err := parse("listeners:\n  a: " + c.a + "\n  b: " + c.b + "\n")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s beside %s\ngot  %v\nwant %s", c.a, c.b, err, c.want)
		}
	}
}

func TestGrantsOfDatagrams(t *testing.T) {
	c := parsed(t, `plugins: {a: {module: b, grant: {listen: ["udp:0.0.0.0/0:5000-5099"], group: ["239.0.0.0/8:1-65535", "[ff15::]/16:*", "udp:239.1.1.1:5"]}}}`)
	g := c.Plugins[0].Grant
	to := netip.MustParseAddrPort
	if len(g.Listen) != 1 || !g.Listen[0].Allows("udp", "", to("127.0.0.1:5099")) || g.Listen[0].Allows("tcp", "", to("127.0.0.1:5099")) {
		t.Errorf("listen %v", g.Listen)
	}
	if len(g.Group) != 3 || !g.Group[0].Allows("udp", "", to("239.192.7.7:26000")) || g.Group[1].Allows("udp", "", to("[ff05::1]:1")) || !g.Group[2].Allows("udp", "", to("239.1.1.1:5")) {
		t.Errorf("group %v", g.Group)
	}
	for grant, want := range map[string]string{
		"listen: ['udp:*:5']":        `a.grant.listen.0: "udp:*:5": the host is a name`,
		"listen: ['5']":              "a.grant.listen.0: \"5\": the network is neither tcp nor udp",
		"group: ['10.0.0.0/8:5']":    `a.grant.group.0: "10.0.0.0/8:5" is not GROUP:PORTS; write multicast`,
		"group: ['128.0.0.0/1:5']":   "is not GROUP:PORTS",
		"group: ['*:5']":             "is not GROUP:PORTS",
		"group: ['239.1.1.1']":       "is not GROUP:PORTS",
		"group: ['tcp:239.1.1.1:5']": "is not GROUP:PORTS",
	} {
		if _, err := parse("plugins: {a: {module: b, grant: {" + grant + "}}}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", grant, err, want)
		}
	}
}
