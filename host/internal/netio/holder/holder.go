// Package holder finds out which program holds an address and port that weir could not have.
//
// It owns nothing: it asks the kernel for the sockets that stand in the way (sock_diag, else /proc/net) and looks through /proc for the process that
// has one of them open. An address comes in; holders go out. It never opens a socket on the address, never ends or signals a process, and takes no
// more time than its context allows: what it cannot find out in that time it says it does not know.
package holder

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Holder is a program that holds an address. The zero value is one of which nothing is known.
type Holder struct {
	PID     int            // of the process, the oldest of several that share the socket; 0 if it is not visible to this user
	Sharing int            // further processes that have the same socket open, as a web server's workers do
	Program string         // its name, empty if it is not visible
	User    string         // name or number of the socket's owner; empty if unknown
	Address netip.AddrPort // that it holds, which may stand for all addresses
	Kind    Kind
}

// Kind says how the holder is related to the process that asks.
type Kind uint8

// The kinds of holders.
const (
	Other   Kind = iota // another program
	Self                // this process
	Sibling             // another weir
	Systemd             // the service manager holds the socket for a unit
)

// String gives the holder in words that fit after "in use by".
func (h Holder) String() string {
	who := h.Program
	switch {
	case h.Kind == Self:
		return fmt.Sprintf("this weir itself (pid %d)", h.PID)
	case h.PID == 0 && h.User == "":
		return "another program (its process is not visible to this user)"
	case h.PID == 0:
		return "another program of user " + h.User + " (its process is not visible to this user)"
	case h.Kind == Sibling:
		who = "another weir"
	}
	text := fmt.Sprintf("%s (pid %d", who, h.PID)
	if h.Sharing > 0 {
		text += fmt.Sprintf(" and %d more", h.Sharing)
	}
	if h.User != "" {
		text += ", user " + h.User
	}
	return text + ")"
}

// socket is one that the kernel names.
type socket struct {
	address   netip.AddrPort
	inode     uint64
	uid       uint32
	listening bool // of TCP: not only connected
	v6only    bool
}

// Find gives those who hold an address, or any address that excludes it, in the network namespace of the calling thread; nobody if nobody does. Those
// that hold exactly this address come first. The error is of the kernel's list of sockets; without one the list is complete, while a Holder may be
// without a process.
func Find(ctx context.Context, udp bool, a netip.AddrPort) ([]Holder, error) {
	sockets, err := list(ctx, udp, a.Port())
	if err != nil {
		return nil, fmt.Errorf("find the holder of %s: %w", a, err)
	}
	sockets = slices.DeleteFunc(sockets, func(s socket) bool { return !s.excludes(a) })
	if slices.ContainsFunc(sockets, func(s socket) bool { return s.listening }) { // the connections of a listener hold nothing themselves
		sockets = slices.DeleteFunc(sockets, func(s socket) bool { return !s.listening })
	}
	if len(sockets) == 0 {
		return nil, nil
	}
	inodes := map[uint64][]int{}
	for _, s := range sockets {
		if s.inode != 0 {
			inodes[s.inode] = nil
		}
	}
	owners(ctx, inodes)
	var all []Holder
	for _, s := range sockets {
		all = append(all, holder(s, inodes[s.inode]))
	}
	slices.SortFunc(all, func(x, y Holder) int {
		return cmp.Or(compareTrue(x.Address == a, y.Address == a), compareTrue(x.PID != 0, y.PID != 0), cmp.Compare(x.PID, y.PID))
	})
	return slices.CompactFunc(all, func(x, y Holder) bool { return x.PID == y.PID && x.Address == y.Address }), nil
}

// compareTrue puts what is true first.
func compareTrue(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// excludes tells whether the socket keeps others from a (ip(7), ipv6(7)): the port is the same, and the addresses overlap.
func (s socket) excludes(a netip.AddrPort) bool {
	mine, want := s.address.Addr().Unmap(), a.Addr().Unmap()
	if s.address.Port() != a.Port() {
		return false
	}
	if mine.Is4() == want.Is4() {
		return mine == want.WithZone("") || mine.IsUnspecified() || want.IsUnspecified()
	}
	return mine.Is6() && mine.IsUnspecified() && !s.v6only // a socket of both families; weir's own are of one each
}

func holder(s socket, pids []int) Holder {
	h := Holder{Address: s.address, User: userName(s.uid)}
	if len(pids) == 0 {
		return h
	}
	h.PID, h.Sharing = slices.Min(pids), len(pids)-1
	if slices.Contains(pids, os.Getpid()) {
		h.PID = os.Getpid()
	}
	h.Program = program(h.PID)
	switch {
	case h.PID == os.Getpid():
		h.Kind = Self
	case h.PID == 1 && h.Program == "systemd":
		h.Kind = Systemd
	case strings.EqualFold(h.Program, "weir"):
		h.Kind = Sibling
	}
	return h
}
