package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestStart(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`{url: "http://a"}`: 0, `{url: "http://a", start: always}`: 0, `{url: "http://a", start: demand}`: DefaultIdle, `{url: "http://a", start: demand, idle: 5s}`: 5 * time.Second,
	} {
		c, err := parse("points:\n  tv: {source: " + text + "}\n")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if p, _ := c.Point("tv"); p.Demand != want {
			t.Errorf("%s: %v, want %v", text, p.Demand, want)
		}
	}
	for text, want := range map[string]string{
		`{url: "http://a", start: sometimes}`:                                    `"sometimes" is unknown`,
		`{url: "http://a", idle: 5s}`:                                            "stands without start: demand",
		`{url: "http://a", start: demand, idle: 1}`:                              "idle",
		`{url: "http://a", begin: demand}`:                                       "unknown key",
		`{url: "http://a", start: demand}, multicast: {group: "239.1.1.1:5000"}`: "demand stands beside multicast",
	} {
		_, err := parse("points:\n  tv: {source: " + text + "}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestInnerAddresses: who holds a name must not lead weir to itself.
func TestInnerAddresses(t *testing.T) {
	for _, c := range []struct {
		grant, host, to string
		want            bool
	}{
		{"tcp:*.example.com:*", "a.example.com", "127.0.0.1:80", false},
		{"tcp:*:*", "a", "[::1]:80", false}, {"tcp:*:*", "a", "169.254.169.254:80", false}, {"tcp:*:*", "a", "0.0.0.0:80", false}, {"tcp:*:*", "a", "[::ffff:127.0.0.1]:80", false},
		{"tcp:*:*", "localhost", "127.0.0.1:80", false}, {"tcp:localhost:*", "LocalHost", "127.0.0.1:80", true}, {"tcp:*:*", "127.0.0.1", "127.0.0.1:80", false},
		{"tcp:127.0.0.0/8:*", "a.example.com", "127.0.0.1:80", true}, {"tcp:*:*", "a", "10.0.0.1:80", true},
	} {
		d, err := ParseDial(c.grant)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Allows("tcp", c.host, netip.MustParseAddrPort(c.to)); got != c.want {
			t.Errorf("%s, %s at %s: %v", c.grant, c.host, c.to, got)
		}
	}
}
