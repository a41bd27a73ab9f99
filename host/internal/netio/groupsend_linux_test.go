package netio

import (
	"errors"
	"net/netip"
	"testing"
)

// TestGroupSender: what is sent arrives, from the address that was told before.
func TestGroupSender(t *testing.T) {
	ownNetwork(t)
	for _, c := range []struct{ group, by, from string }{{"239.255.77.78", "lo", "invalid IP"}, {"ff05::2:7ffe", "w0", ""}} {
		group := on(c.group, 9875)
		k := joined(t, GroupOptions{Group: group, Interface: c.by})
		g, err := OpenGroupSender(SendOptions{To: group, TTL: 3, Interface: c.by, Loopback: true})
		if err != nil {
			t.Fatal(err)
		}
		if err = g.Send([]byte("here")); err != nil {
			t.Error(err)
		}
		if got := receive(t, k.in); got != "here" {
			t.Errorf("got %q", got)
		}
		source, err := SourceOf(group, c.by)
		if err != nil || source != g.Local() || c.from != "" && source.String() != c.from {
			t.Errorf("%s comes from %v (%v), not %v", c.group, source, err, g.Local())
		}
		if err = g.Close(); err != nil {
			t.Error(err)
		}
		if err = g.Send([]byte("gone")); err == nil {
			t.Error("sent after Close")
		}
	}
}

func TestGroupSenderErrors(t *testing.T) {
	if _, err := OpenGroupSender(SendOptions{To: netip.MustParseAddrPort("192.0.2.1:9875")}); !errors.Is(err, ErrNotMulticast) {
		t.Errorf("to one receiver: %v", err)
	}
	if _, err := OpenGroupSender(SendOptions{To: on("239.255.77.78", 9875), Interface: "nope0"}); !errors.Is(err, ErrNoInterface) {
		t.Errorf("by no interface: %v", err)
	}
}
