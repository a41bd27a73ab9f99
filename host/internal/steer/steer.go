// Package steer gives listeners addresses, prefixes and ranges of ports that another server already holds, without a change to that server.
//
// It owns an sk_lookup program in one network namespace and that program's maps. In come claims (protocol, prefix, ports) that name a listener, and
// each listener's sockets, bound anywhere. Out go no bytes: the kernel hands new connections and datagrams that a claim covers to the listener's socket,
// and accepted connections tell the address that was dialled. It never accepts or reads, never touches connections that stand, and leaves nothing behind:
// once the last process that holds the table's descriptors is gone, look-ups go to whoever is bound.
package steer

import (
	"fmt"
	"log/slog"
	"net/netip"
)

// Protocol is a transport protocol. The zero value is TCP.
type Protocol uint8

// The protocols that can be steered.
const (
	TCP Protocol = iota
	UDP
)

// String gives the name in lower case.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// Claim gives a listener all addresses of a prefix on a range of ports. The longest prefix wins; of claims to one prefix the one with the narrower range
// of ports, which must lie within the wider one. An IPv4 prefix covers IPv4 clients only. Multicast cannot be claimed: the kernel never asks for it.
type Claim struct {
	Protocol    Protocol
	Prefix      netip.Prefix // of one address, or more
	First, Last uint16       // ports, both included; from 1 on
	Listener    string       // the name that sockets are attached under
	Drop        bool         // refuse, instead of falling through to whoever is bound, while no socket stands
}

// String is the claim as a table shows it.
func (c Claim) String() string {
	address := c.Prefix.String()
	if c.Prefix.IsSingleIP() {
		address = c.Prefix.Addr().String()
	}
	ports := fmt.Sprint(c.First)
	if c.Last != c.First {
		ports = fmt.Sprintf("%d-%d", c.First, c.Last)
	}
	return fmt.Sprintf("%v %s port %s", c.Protocol, address, ports)
}

// Options are what a table is opened with.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
}

// Stats are a listener's counters since its first claim or socket, summed over the processors. A process that adopts a table continues them.
type Stats struct {
	Listener string
	Protocol Protocol
	Lookups  uint64 // look-ups that a claim covered: new connections, and datagrams
	Misses   uint64 // of those: no socket stood; the look-up fell through or was refused
	Errors   uint64 // of those: the kernel refused the socket (its family, or another program chose first)
}

// Unavailable is the error of a system that cannot steer.
type Unavailable struct {
	Missing string // what the system or the process lacks, in words for an operator; empty if only Err tells
	Err     error
}

// Error names what is missing first: the kernel's own texts mislead.
func (e *Unavailable) Error() string {
	if e.Missing == "" {
		return fmt.Sprintf("steering is unavailable: %v", e.Err)
	}
	return fmt.Sprintf("steering is unavailable: it needs %s: %v", e.Missing, e.Err)
}

// Unwrap gives the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

// Shadow is a socket that a claim takes the traffic from although it is bound to exactly such an address.
type Shadow struct {
	Protocol Protocol
	Address  netip.AddrPort // what the socket is bound to
	Listener string         // the listener of ours that gets the traffic instead
	UID      uint32         // the socket's owner
	Inode    uint32         // the socket's, as in /proc/PID/fd
}

// String is the shadow in words for a warning.
func (s Shadow) String() string {
	return fmt.Sprintf("%v %v, which a socket of user %d is bound to (inode %d), goes to listener %s", s.Protocol, s.Address, s.UID, s.Inode, s.Listener)
}
