package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/weir-media/weir/host/internal/dgram"
)

// Dial opens a flow. It receives once Start was called, and is the caller's to close. A
// failure to bind is a *BindError; EADDRINUSE: there is a flow to that peer already.
func (p *Peers) Dial(o PeerOptions) (*Flow, error) {
	o.Local = o.Local.Unmap()
	o.Remote = netip.AddrPortFrom(o.Remote.Addr().Unmap(), o.Remote.Port())
	if !o.Local.IsValid() || !o.Remote.IsValid() || o.Remote.Port() == 0 || o.Local.Is4() != o.Remote.Addr().Is4() || o.Remote.Addr().IsMulticast() {
		return nil, fmt.Errorf("dial %v from %v: no peer's address", o.Remote, o.Local)
	}
	l, err := p.pair(pairKey{o.Local, o.Low, o.High})
	if err != nil {
		return nil, err
	}
	at := 0
	if o.Odd {
		at = 1
	}
	return l.dial(l.at[at].anchor, o.Remote)
}

// pair gives the sockets at an address, and opens them first if need be.
func (p *Peers) pair(key pairKey) (*UDPListener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, net.ErrClosed
	}
	if l := p.pairs[key]; l != nil {
		return l, nil
	}
	if len(p.pairs) >= maxPairs {
		return nil, &BindError{Address: netip.AddrPortFrom(key.local, key.low), Err: fmt.Errorf("%d pairs of ports are open for flows to peers, which is the most", maxPairs)}
	}
	even, odd, err := bindPair(key)
	if err != nil {
		return nil, err
	}
	l, err := ListenUDP(UDPOptions{Name: peersName, Sockets: [][]*net.UDPConn{{even}, {odd}}, Handler: nobody{}, Patient: true, IdleTimeout: forever, MaxFlows: maxPeers, Log: p.Log})
	if err != nil {
		return nil, err
	}
	if p.pairs == nil {
		p.pairs = map[pairKey]*UDPListener{}
	}
	p.pairs[key] = l
	return l, nil
}

// maxPairs bounds the pairs of sockets, which stay open: chosen, one for each local address
// and range that a plugin's configuration may name. maxRangeTries bounds the search through
// a range: chosen, 4 ms of it.
const (
	maxPairs      = 64
	maxRangeTries = 1024
)

// maxTries bounds the search for two neighbouring ports that are free: chosen.
const maxTries = 64

// bindPair binds an even port and the one above it.
func bindPair(key pairKey) (even, odd *net.UDPConn, err error) {
	if key.low == 0 && key.high == 0 {
		for range maxTries {
			if even, odd, err = bindAnyPair(key.local); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
				return even, odd, err
			}
		}
		return nil, nil, err
	}
	err = &BindError{Address: netip.AddrPortFrom(key.local, key.low), Err: fmt.Errorf("no even port with the one above it from %d to %d", key.low, key.high)}
	for port, tries := (int(key.low)+1)&^1, 0; port+1 <= int(key.high) && tries < maxRangeTries; port, tries = port+2, tries+1 {
		if even, odd, err = bindTwo(key.local, uint16(port)); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return even, odd, err
		}
	}
	return nil, nil, err
}

// bindAnyPair takes a port of the system's choice, and its neighbour.
func bindAnyPair(local netip.Addr) (even, odd *net.UDPConn, err error) {
	first, err := bindPlain(netip.AddrPortFrom(local, 0))
	if err != nil {
		return nil, nil, err
	}
	port := udpAddrPort(first.LocalAddr()).Port()
	second, err := bindPlain(netip.AddrPortFrom(local, port^1))
	if err != nil {
		first.Close()
		return nil, nil, err
	}
	if port&1 != 0 {
		first, second = second, first
	}
	return first, second, nil
}

func bindTwo(local netip.Addr, port uint16) (even, odd *net.UDPConn, err error) {
	if even, err = bindPlain(netip.AddrPortFrom(local, port)); err != nil {
		return nil, nil, err
	}
	if odd, err = bindPlain(netip.AddrPortFrom(local, port+1)); err != nil {
		even.Close()
		return nil, nil, err
	}
	return even, odd, nil
}

func bindPlain(a netip.AddrPort) (*net.UDPConn, error) {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(context.Background(), udpNetwork(a.Addr()), a.String())
	if err != nil {
		be := &BindError{Address: a, Err: err}
		errors.As(err, &be.Errno)
		return nil, be
	}
	return conn.(*net.UDPConn), nil
}

// dial enters a flow from one of the listener's sockets to a peer.
func (l *UDPListener) dial(from *udpSocket, remote netip.AddrPort) (*Flow, error) {
	f := &Flow{listener: l.options.Name, local: from.local, remote: remote, table: l.table, clock: l.now}
	var name dgram.Name
	name.PutAddrPort(remote)
	f.id.remote, f.id.remotePort, f.id.scope = name.Get()
	f.id.local, f.id.localPort = from.local.Addr().As16(), from.local.Port()
	f.from.Store(from)
	if err := l.table.dial(f, l.now()); err != nil {
		return nil, fmt.Errorf("dial %v from %v: %w", remote, from.local, err)
	}
	return f, nil
}

// Close ends all flows, with FlowStopped, and closes the sockets. Idempotent.
func (p *Peers) Close() {
	p.mu.Lock()
	pairs := p.pairs
	p.pairs, p.closed = nil, true
	p.mu.Unlock()
	for _, l := range pairs {
		l.Close()
	}
}
