package netio

import (
	"fmt"
	"net"
	"net/netip"
)

// SendOptions describe a GroupSender.
type SendOptions struct {
	To        netip.AddrPort // a multicast group and port
	TTL       int            // hops, 0 to 255; the zero value stays on this computer
	Interface string         // name; empty: as the system routes
	Loopback  bool           // receivers on this computer get what is sent
}

// GroupSender sends single datagrams to one group: announcements, never media. It is safe
// for concurrent use. OpenGroupSender makes one, Close ends it.
type GroupSender struct{ conn *net.UDPConn }

// OpenGroupSender opens a socket for a group. Nothing is received by it.
func OpenGroupSender(o SendOptions) (*GroupSender, error) {
	if !o.To.Addr().IsMulticast() || o.To.Port() == 0 {
		return nil, fmt.Errorf("send to %s: %w", o.To, ErrNotMulticast)
	}
	conn, err := dialGroup(o)
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", o.To, err)
	}
	return &GroupSender{conn}, nil
}

// Send sends one datagram. An error may be about an earlier one.
func (g *GroupSender) Send(b []byte) error {
	_, err := g.conn.Write(b)
	return err
}

// Local is the address that datagrams come from; invalid where there is none, as on a
// loopback interface.
func (g *GroupSender) Local() netip.Addr {
	a, _ := g.conn.LocalAddr().(*net.UDPAddr)
	if a == nil || a.IP.IsUnspecified() {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap().WithZone("")
}

// Close gives the socket back.
func (g *GroupSender) Close() error { return g.conn.Close() }

// SourceOf gives the address that datagrams to a group come from if they leave by the
// interface, or as the system routes if that is empty; invalid as GroupSender.Local.
// Nothing is sent.
func SourceOf(group netip.AddrPort, by string) (netip.Addr, error) {
	g, err := OpenGroupSender(SendOptions{To: group, Interface: by})
	if err != nil {
		return netip.Addr{}, err
	}
	defer g.Close()
	return g.Local(), nil
}
