//go:build linux

package netns_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/e2e/netns"
)

// TestSpace: what is bound inside is not seen outside, and all is gone at the end.
func TestSpace(t *testing.T) {
	netns.Need(t)
	before := spaces(t)
	t.Run("inside", func(t *testing.T) {
		s := netns.New(t, "10.9.8.7/32", "fd00::7/128")
		for _, address := range []string{"127.0.0.2:80", "10.9.8.7:80", "[fd00::7]:80"} {
			s.Do(func() {
				l, err := net.Listen("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				defer l.Close()
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				c.Close()
			})
		}
		s.Set("net/ipv4/ip_unprivileged_port_start", "80")
		out, err := s.Command("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "80" {
			t.Errorf("the setting is %q (%v)", out, err)
		}
	})
	if after := spaces(t); after != before {
		t.Errorf("namespaces before: %s; after: %s", before, after)
	}
}

// spaces lists the namespaces of this process.
func spaces(t *testing.T) string {
	t.Helper()
	all, err := os.ReadDir("/run/netns")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var own []string
	for _, e := range all {
		if strings.HasPrefix(e.Name(), fmt.Sprintf("weir-test-%d-", os.Getpid())) {
			own = append(own, e.Name())
		}
	}
	return strings.Join(own, " ")
}
