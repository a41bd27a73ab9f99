package config

import (
	"net/netip"
	"testing"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern Pattern
		s       string
		want    bool
	}{
		{"live", "live", true}, {"live", "live2", false}, {"live", "", false},
		{"*", "", true}, {"*", "a/b", true},
		{"live/*", "live/", true}, {"live/*", "live/a/b", true}, {"live/*", "live", false},
		{"*.asf", "a.asf", true}, {"*.asf", ".asf", true}, {"*.asf", "a.asx", false},
		{"a*b*c", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"a*b*c", "ac", false},
		{"a*a", "a", false}, {"a**a", "aa", true}, {"*a*a*", "aXa", true}, {"*aa", "aaa", true},
	} {
		if got := c.pattern.Match(c.s); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.s, got)
		}
	}
	if (Patterns{}).Match("a") || !(Patterns{"b", "a"}).Match("a") {
		t.Error("Patterns is wrong")
	}
}

func TestDial(t *testing.T) {
	for _, c := range []struct {
		grant, network, host, to string
		want                     bool
	}{
		{"tcp:10.0.0.0/8:1-65535", "tcp", "encoder", "10.1.2.3:80", true},
		{"tcp:10.0.0.0/8:1-65535", "tcp", "encoder", "[::ffff:10.1.2.3]:80", true},
		{"tcp:10.0.0.0/8:1-65535", "udp", "encoder", "10.1.2.3:80", false},
		{"tcp:10.0.0.0/8:1-65535", "tcp", "encoder", "11.1.2.3:80", false},
		{"tcp:127.0.0.1:8080", "tcp", "", "127.0.0.1:8080", true},
		{"tcp:127.0.0.1:8080", "tcp", "", "127.0.0.1:8081", false},
		{"udp:[2001:db8::]/32:5-6", "udp", "", "[2001:db8::1]:6", true},
		{"udp:[2001:db8::1]:5", "udp", "", "[2001:db8::2]:5", false},
		{"tcp:*.Example.com:443", "tcp", "A.example.COM", "192.0.2.1:443", true},
		{"tcp:*.example.com:443", "tcp", "example.org", "192.0.2.1:443", false},
		{"tcp:*:*", "tcp", "x", "192.0.2.1:9", true},
	} {
		d, err := ParseDial(c.grant)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := d.Allows(c.network, c.host, netip.MustParseAddrPort(c.to)); got != c.want {
			t.Errorf("%s to %s %s %s: %v", c.grant, c.network, c.host, c.to, got)
		}
		if again, err := ParseDial(d.String()); err != nil || again != d {
			t.Errorf("%s is written %s: %v", c.grant, d, err)
		}
	}
	for _, s := range []string{"", "tcp", "tcp:", "tcp:a", "tcp::80", "sctp:a:80", "tcp:a:0", "tcp:a:9-8", "tcp:a:65536", "tcp:a:-", "tcp:10.0.0.0/33:1", "tcp:a b:1", "tcp:a/b:1", "tcp:[fe80::1%eth0]:1"} {
		if d, err := ParseDial(s); err == nil {
			t.Errorf("%q: accepted as %v", s, d)
		}
	}
}

func FuzzDial(f *testing.F) {
	for _, s := range []string{"tcp:10.0.0.0/8:1-65535", "udp:[::ffff:1.2.3.4]/100:*", "tcp:[::1]:9", "tcp:a*:1", "udp:239.0.0.0/8:*", "udp:[ff15::]/16:5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDial(s)
		if err != nil {
			return
		}
		if again, err := ParseDial(d.String()); err != nil || again != d {
			t.Fatalf("%q is written %q: %v", s, d, err)
		}
		if l, err := ParseListen(s); (err == nil) != d.Prefix.IsValid() || err == nil && l != d {
			t.Fatalf("%q to listen at: %v, %v", s, l, err)
		}
		if g, err := ParseGroup(s); err == nil && !g.Prefix.Addr().IsMulticast() {
			t.Fatalf("%q as a group: %v", s, g)
		}
	})
}
