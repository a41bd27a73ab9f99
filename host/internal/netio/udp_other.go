//go:build !linux

package netio

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

var errNoUDP = errors.New("UDP is supported on Linux only")

// UDPListener does not exist on this system.
type UDPListener struct{}

// ListenUDP fails.
func ListenUDP(o UDPOptions) (*UDPListener, error) {
	for _, sockets := range o.Sockets {
		for _, s := range sockets {
			s.Close()
		}
	}
	return nil, errNoUDP
}

// SetRoutes fails.
func (l *UDPListener) SetRoutes([]Pattern) error { return errNoUDP }

// Name is empty.
func (l *UDPListener) Name() string { return "" }

// Addrs is empty.
func (l *UDPListener) Addrs() []netip.AddrPort { return nil }

// Anchors is empty.
func (l *UDPListener) Anchors() []*net.UDPConn { return nil }

// Sockets is empty.
func (l *UDPListener) Sockets() [][]*net.UDPConn { return nil }

// Flip fails.
func (l *UDPListener) Flip(int) error { return errNoUDP }

// Stats is empty.
func (l *UDPListener) Stats() UDPStats { return UDPStats{} }

// Stop does nothing.
func (l *UDPListener) Stop() {}

// Close does nothing.
func (l *UDPListener) Close() {}

// JoinGroup fails.
func JoinGroup(o GroupOptions) (*Flow, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return nil, errNoUDP
}

// Dial fails.
func (p *Peers) Dial(PeerOptions) (*Flow, error) { return nil, errNoUDP }

// Close does nothing.
func (p *Peers) Close() {}

type udpSocket struct {
	flows    atomic.Int64
	retiring atomic.Bool
}

func (s *udpSocket) reply(*flowID, []byte) error { return errNoUDP }

type groupReceiver struct{}

func (g *groupReceiver) start(*Flow)     {}
func (g *groupReceiver) stop(*Flow)      {}
func (g *groupReceiver) dropped() uint64 { return 0 }

// SharedUDP does not exist on this system.
type SharedUDP struct{}

// Duplicate fails.
func (SharedUDP) Duplicate() (int, error) { return 0, errNoUDP }

// Share fails.
func (f *Flow) Share() (s SharedUDP, from netip.Addr, ok bool) {
	return SharedUDP{}, netip.Addr{}, false
}
