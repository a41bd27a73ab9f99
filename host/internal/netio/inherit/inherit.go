// Package inherit takes the sockets that weir was started with: systemd opens them, so that they are there before weir is, stay while it is replaced, and
// need no rights of weir's.
//
// It owns the inherited descriptors until Close. The environment of the start comes in; listening sockets for the addresses of listeners go out. It
// never opens a socket itself, and what it hands out are duplicates: a listener that is closed and opened again finds its socket still here, with
// the connections that arrived in between.
package inherit

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Socket is one that was inherited.
type Socket struct {
	Name    string // of LISTEN_FDNAMES; empty: none was given
	UDP     bool
	Address netip.AddrPort // as the kernel says

	file *os.File
	both bool   // an IPv6 socket that serves IPv4 too
	used string // the listener that has it; empty: nobody
}

// String gives the socket as a log line names it.
func (s *Socket) String() string {
	network := "tcp"
	if s.UDP {
		network = "udp"
	}
	if s.Name == "" {
		return network + " " + s.Address.String()
	}
	return s.Name + " (" + network + " " + s.Address.String() + ")"
}

// Set is all that was inherited. A nil Set, or one without sockets, takes nothing. It is safe for concurrent use.
type Set struct {
	mu  sync.Mutex
	all []*Socket
}

// maxSockets bounds LISTEN_FDS. Chosen: more than any unit file lists; the number comes from outside.
const maxSockets = 4096

// Sockets takes what the environment of this process's start announces (sd_listen_fds(3)). The variables are removed, so that no child takes them for
// its own. Descriptors that are neither listening TCP sockets nor UDP sockets are closed and named in the error; the Set has all others and is never
// nil. It may be called once only.
func Sockets(environ []string) (*Set, error) {
	n, err := announced(environ, os.Getpid())
	if err != nil || n == 0 {
		clearEnviron()
		return &Set{}, err
	}
	files := take() // removes the variables
	return gather(files, names(environ, len(files)))
}

// announced tells how many descriptors the environment announces to this process.
func announced(environ []string, pid int) (int, error) {
	text := lookup(environ, "LISTEN_FDS")
	if text == "" {
		return 0, nil
	}
	if lookup(environ, "LISTEN_PID") != strconv.Itoa(pid) {
		return 0, nil // meant for another process, which did not remove them
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxSockets {
		return 0, fmt.Errorf("inherit sockets: LISTEN_FDS is %q, which is no number from 0 to %d", text, maxSockets)
	}
	return n, nil
}

// names splits LISTEN_FDNAMES, which has a name for each socket or is of no use.
func names(environ []string, n int) []string {
	all := strings.Split(lookup(environ, "LISTEN_FDNAMES"), ":")
	if len(all) != n {
		all = make([]string, n)
	}
	for i, name := range all {
		if name == "unknown" || name == "stored" { // what systemd says where nobody chose a name
			all[i] = ""
		}
	}
	return all
}

func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// Of makes a Set of descriptors, with a name for each. They are the Set's from then on; those that are no sockets of use are closed and named in the error.
func Of(files []*os.File, names []string) (*Set, error) { return gather(files, names) }

func gather(files []*os.File, names []string) (*Set, error) {
	s := &Set{}
	var wrong []error
	for i, f := range files {
		x, err := look(f)
		if err != nil {
			f.Close()
			wrong = append(wrong, fmt.Errorf("inherited descriptor %d %q: %w", i, names[i], err))
			continue
		}
		x.Name = names[i]
		s.all = append(s.all, x)
	}
	return s, errors.Join(wrong...)
}

// TakeTCP gives a listening socket for one address of a listener; false if none fits. Which one: a socket with exactly this address; else one of both
// families on the same port, for an address that stands for all; else one that was given the listener's name and has the same port. Whoever took it
// closes it. The same listener may take a socket again: for another of its addresses, or because it was closed meanwhile.
func (s *Set) TakeTCP(listener string, a netip.AddrPort) (*net.TCPListener, bool) {
	all := take1(s, listener, false, a, net.FileListener)
	if len(all) == 0 {
		return nil, false
	}
	return all[0].(*net.TCPListener), true
}

// TakeUDP is TakeTCP for UDP, where several sockets may have the same address (SO_REUSEPORT): it gives all of them.
func (s *Set) TakeUDP(listener string, a netip.AddrPort) ([]*net.UDPConn, bool) {
	var all []*net.UDPConn
	for _, c := range take1(s, listener, true, a, net.FilePacketConn) {
		all = append(all, c.(*net.UDPConn))
	}
	return all, len(all) > 0
}

// take1 gives a duplicate of the socket that fits best; of UDP, of all that have its address.
func take1[T any](s *Set, listener string, udp bool, a netip.AddrPort, open func(*os.File) (T, error)) (all []T) {
	if s == nil {
		return nil
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	s.mu.Lock()
	defer s.mu.Unlock()
	best := s.choose(listener, udp, a)
	if best == nil {
		return nil
	}
	for _, x := range s.all {
		if x != best && !udp || x.UDP != udp || x.Address != best.Address || x.used != "" && x.used != listener {
			continue
		}
		if opened, err := open(x.file); err == nil { // a duplicate
			all, x.used = append(all, opened), listener
		}
	}
	return all
}

// choose gives the socket that fits best. The lock is held.
func (s *Set) choose(listener string, udp bool, a netip.AddrPort) *Socket {
	var best *Socket
	rank := 0
	for _, x := range s.all {
		if r := x.fits(listener, a); x.UDP == udp && r > rank {
			best, rank = x, r
		}
	}
	return best
}

// fits tells how well the socket fits; 0: not at all.
func (s *Socket) fits(listener string, a netip.AddrPort) int {
	isNamed := s.Name == listener
	switch {
	case s.Address.Port() != a.Port() || s.used != "" && s.used != listener:
		return 0
	case s.Address == a && isNamed:
		return 5
	case s.Address == a:
		return 4
	case s.both && a.Addr().IsUnspecified() && isNamed:
		return 3
	case s.both && a.Addr().IsUnspecified():
		return 2
	case isNamed:
		return 1
	}
	return 0
}

// Fits tells whether a listener that is opened at an address would take the socket, if nobody else had it.
func (s *Socket) Fits(listener string, udp bool, a netip.AddrPort) bool {
	free := Socket{Name: s.Name, Address: s.Address, both: s.both}
	return s.UDP == udp && free.fits(listener, netip.AddrPortFrom(a.Addr().Unmap(), a.Port())) > 0
}

// All describes the sockets, taken or not.
func (s *Set) All() []*Socket {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Socket
	for _, x := range s.all {
		all = append(all, &Socket{Name: x.Name, UDP: x.UDP, Address: x.Address, both: x.both})
	}
	return all
}

// Pass gives each socket that was taken to the listener that to names, which has it in fact from then on; empty makes it free for others.
func (s *Set) Pass(to func(*Socket) (listener string)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		if x.used != "" {
			x.used = to(x)
		}
	}
}

// Release makes the sockets of a listener free for others, once it is gone for good.
func (s *Set) Release(listener string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		if x.used == listener {
			x.used = ""
		}
	}
}

// Rest gives the sockets that nobody has taken: clients that connect to them wait for ever.
func (s *Set) Rest() []*Socket {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var rest []*Socket
	for _, x := range s.all {
		if x.used == "" {
			rest = append(rest, &Socket{Name: x.Name, UDP: x.UDP, Address: x.Address})
		}
	}
	return rest
}

// Len is how many sockets were inherited.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// Close closes the inherited descriptors. What was taken stays open.
func (s *Set) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		x.file.Close()
	}
	s.all = nil
}
