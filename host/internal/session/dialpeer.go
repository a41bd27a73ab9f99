package session

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
)

const (
	// peerHost stands in a URL for the address of the session's peer (spec.md §6.17).
	peerHost = "peer"
	// maxPeerFlows is how many flows a session may have to its peer (spec.md §6.17; chosen:
	// two for each of eight tracks).
	maxPeerFlows = 16
	// maxConns bounds what a session that dials flows has opened in its life (chosen: a
	// player that cannot be reached changes its transport once or twice).
	maxConns = 64
	// leastPeerPort keeps plugins off the ports of the system's services (chosen: those
	// that a user without rights can have).
	leastPeerPort = 1024
)

// reserveDialPeer opens a flow to the peer of the session's stream.
func (b *batch) reserveDialPeer(x dialed, address string) error {
	s := b.s
	grant := s.r.grant.Load()
	if grant.Attach == nil && grant.Publish == nil {
		return denyf(abi.EPERM, "sending to a peer is not granted to this plugin in plugins.yaml (grant: attach or publish)")
	}
	port, o, err := parsePeerURL(address)
	if err != nil {
		return err
	}
	if s.kind != kindRaw || len(s.conns) == 0 || s.conns[0].number != 1 || s.conns[0].net == nil || s.conns[0].closed {
		return denyf(abi.ESTATE, "connection 1 is no stream whose peer datagrams could be sent to")
	}
	if err := b.roomForFlow(); err != nil {
		return err
	}
	o.Local = s.conns[0].net.Local().Addr()
	o.Remote = netip.AddrPortFrom(s.conns[0].net.Remote().Addr(), port)
	x.flow, x.err = s.r.room.dialPeer(o)
	b.dials = append(b.dials, x)
	return nil
}

// roomForFlow is an error if the session has as many flows as it may.
func (b *batch) roomForFlow() error {
	open := len(b.dials)
	for _, c := range b.s.conns {
		if c.flow != nil && !c.closed {
			open++
		}
	}
	if open >= maxPeerFlows || len(b.s.conns)+len(b.dials) >= maxConns {
		return denyf(abi.ELIMIT, "a session may have %d flows at a time, and %d connections in all", maxPeerFlows, maxConns)
	}
	return nil
}

// parsePeerURL reads udp://peer:PORT?odd&ports=LOW-HIGH.
func parsePeerURL(text string) (port uint16, o netio.PeerOptions, err error) {
	bad := func(what string) (uint16, netio.PeerOptions, error) {
		return 0, netio.PeerOptions{}, denyf(abi.EINVAL, "%q: %s; write for example udp://peer:5004?odd&ports=6970-6999", text, what)
	}
	u, err := url.Parse(text)
	if err != nil || u.Path != "" || u.Fragment != "" || u.User != nil {
		return bad("is no URL of a peer")
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || n == 0 {
		return bad("has no port")
	}
	for key, values := range u.Query() {
		switch {
		case key == "odd" && len(values) == 1 && values[0] == "":
			o.Odd = true
		case key == "ports" && len(values) == 1:
			low, high, _ := strings.Cut(values[0], "-")
			from, err := strconv.ParseUint(low, 10, 16)
			to, last := strconv.ParseUint(high, 10, 16)
			if err != nil || last != nil || from < leastPeerPort || to <= from {
				return bad("the ports are no range from 1024 on")
			}
			o.Low, o.High = uint16(from), uint16(to)
		default:
			return bad("the query is not odd, ports=LOW-HIGH")
		}
	}
	return uint16(n), o, nil
}

// PeerAddrs gives the addresses from which flows to peers go, sorted.
func (room *Room) PeerAddrs() []netip.AddrPort { return room.peers.Addrs() }

// dialFlow opens a flow to a peer.
func (room *Room) dialFlow(o netio.PeerOptions) (flow, error) {
	f, err := room.peers.Dial(o)
	if err != nil {
		return nil, err
	}
	return f, nil
}
