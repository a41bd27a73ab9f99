package host

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/steer"
)

// What a group of descriptors is.
const (
	groupTCP   = "tcp"
	groupUDP   = "udp"
	groupAdmin = "admin"
	groupSteer = "steer"
)

// socketGroup is a set of descriptors to be sent.
type socketGroup struct {
	handover.Group
	sockets []syscall.RawConn
	files   []*os.File // sent besides, and closed
}

// write sends the group, in as many frames as it takes. Writer.
func (g *socketGroup) write(c *handover.Conn) error {
	defer func() {
		for _, f := range g.files {
			_ = f.Close()
		}
	}()
	for len(g.sockets) > 0 {
		n := min(len(g.sockets), handover.MaxFiles)
		body := handover.Marshal(handover.Group{What: g.What, Name: g.Name, Addresses: g.Addresses[:n]})
		if err := withFDs(g.sockets[:n], nil, func(fds []int) error { return c.Write(handover.Sockets, 0, fds, body) }); err != nil {
			return err
		}
		g.sockets, g.Addresses = g.sockets[n:], g.Addresses[n:]
	}
	if len(g.files) == 0 {
		return nil
	}
	fds := make([]int, len(g.files))
	for i, f := range g.files {
		fds[i] = int(f.Fd())
	}
	return c.Write(handover.Sockets, 0, fds, handover.Marshal(g.Group))
}

// withFDs calls f with the descriptors, which stay open meanwhile.
func withFDs(sockets []syscall.RawConn, fds []int, f func([]int) error) error {
	if len(sockets) == 0 {
		return f(fds)
	}
	var err error
	controlErr := sockets[0].Control(func(fd uintptr) { err = withFDs(sockets[1:], append(fds, int(fd)), f) })
	return errors.Join(controlErr, err)
}

// offeredSockets gives what the next server may take, and the listeners that it is of.
func (s *Server) offeredSockets() ([]*socketGroup, map[string]*listening, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var groups []*socketGroup
	listeners := map[string]*listening{}
	for name, l := range s.listeners {
		listeners[name] = l
		if l.tcp != nil {
			groups = append(groups, offerTCP(l))
		}
		if len(l.udp) > 0 {
			groups = append(groups, offerUDP(l))
		}
	}
	if s.admin != nil {
		for name, ln := range s.admin.Listeners() {
			g := &socketGroup{Group: handover.Group{What: groupAdmin, Name: name}}
			g.add(ln.Addr(), ln)
			groups = append(groups, g)
		}
	}
	if t := s.steering.inUse(); t != nil {
		files, err := t.Files()
		if err != nil {
			return nil, nil, err
		}
		groups = append(groups, &socketGroup{Group: handover.Group{What: groupSteer}, files: files})
	}
	return groups, listeners, nil
}

// isSteered tells whether steering brings some of the listener's traffic.
func (l *listening) isSteered() bool { return l.place != nil && len(l.place.claims) > 0 }

// offerTCP leaves out anchors, which each process has of its own.
func offerTCP(l *listening) *socketGroup {
	g := &socketGroup{Group: handover.Group{What: groupTCP, Name: l.config.Name}}
	for _, sock := range l.tcp.Sockets() {
		if !l.isSteered() || slices.Contains(l.place.dialled, addressOf(sock)) {
			g.add(sock.Addr(), sock)
		}
	}
	return g
}

func offerUDP(l *listening) *socketGroup {
	g := &socketGroup{Group: handover.Group{What: groupUDP, Name: l.config.Name}}
	for _, u := range l.udp {
		for _, group := range u.Sockets() {
			for _, sock := range group {
				g.add(sock.LocalAddr(), sock)
			}
		}
	}
	return g
}

func (g *socketGroup) add(a net.Addr, sock any) {
	c, ok := sock.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return // it is closed
	}
	g.Addresses, g.sockets = append(g.Addresses, a.String()), append(g.sockets, raw)
}

// takenSockets are what another server has handed over and nobody has taken yet.
type takenSockets struct {
	mu    sync.Mutex
	tcp   []taken[*net.TCPListener]
	udp   []taken[*net.UDPConn]
	admin map[string]net.Listener
	steer []*os.File
}

type taken[T any] struct {
	name    string // of the listener there
	address netip.AddrPort
	socket  T
}

var _ socketSource = (*takenSockets)(nil)

// add takes the descriptors of a frame.
func (t *takenSockets) add(f *handover.Frame) error {
	var g handover.Group
	if err := handover.Unmarshal(f.Body, &g); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if g.What == groupSteer {
		t.steer, f.Files = append(t.steer, f.Files...), nil
		return nil
	}
	if len(g.Addresses) != len(f.Files) {
		return errors.New("sockets and addresses do not agree")
	}
	for i, file := range f.Files {
		if err := t.addOne(g, g.Addresses[i], file); err != nil {
			return err
		}
	}
	return nil // the frame's files are duplicates now
}

func (t *takenSockets) addOne(g handover.Group, address string, file *os.File) error {
	if g.What == groupUDP {
		c, err := net.FilePacketConn(file)
		if err != nil {
			return err
		}
		u, ok := c.(*net.UDPConn)
		a, bad := netip.ParseAddrPort(address)
		if !ok || bad != nil {
			c.Close()
			return errors.New("a socket is not what it is called")
		}
		t.udp = append(t.udp, taken[*net.UDPConn]{g.Name, unmapped(a), u})
		return nil
	}
	ln, err := net.FileListener(file)
	if err != nil {
		return err
	}
	l, ok := ln.(*net.TCPListener)
	switch {
	case !ok:
		ln.Close()
		return errors.New("a socket is not what it is called")
	case g.What == groupAdmin:
		if t.admin == nil {
			t.admin = map[string]net.Listener{}
		}
		t.admin[g.Name] = l
	default:
		t.tcp = append(t.tcp, taken[*net.TCPListener]{g.Name, addressOf(l), l})
	}
	return nil
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// is tells whether the socket is what a listener wants. Port 0 means the one that the
// listener of the same name has.
func (t taken[T]) is(listener string, a netip.AddrPort) bool {
	a = unmapped(a)
	return t.address == a || a.Port() == 0 && t.name == listener && t.address.Addr() == a.Addr()
}

// TakeTCP gives the listening socket of an address.
func (t *takenSockets) TakeTCP(listener string, a netip.AddrPort) (*net.TCPListener, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, x := range t.tcp {
		if x.is(listener, a) {
			t.tcp = slices.Delete(t.tcp, i, i+1)
			return x.socket, true
		}
	}
	return nil, false
}

// TakeUDP gives all workers' sockets of an address.
func (t *takenSockets) TakeUDP(listener string, a netip.AddrPort) ([]*net.UDPConn, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var group []*net.UDPConn
	t.udp = slices.DeleteFunc(t.udp, func(x taken[*net.UDPConn]) bool {
		is := x.is(listener, a) && (len(group) == 0 || group[0].LocalAddr().String() == x.socket.LocalAddr().String())
		if is {
			group = append(group, x.socket)
		}
		return is
	})
	return group, len(group) > 0
}

// keep closes the TCP sockets that a configuration does not want as they are, and names
// the listeners there of which it wants all.
func (t *takenSockets) keep(c *config.Config) (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	unwanted := map[string]bool{}
	t.tcp = slices.DeleteFunc(t.tcp, func(x taken[*net.TCPListener]) bool {
		for _, l := range c.Listeners {
			if l.Enabled && !l.UDP && slices.ContainsFunc(l.Addresses, func(a netip.AddrPort) bool { return x.is(l.Name, a) }) {
				return false
			}
		}
		unwanted[x.name] = true
		x.socket.Close()
		return true
	})
	for _, x := range t.tcp {
		if !unwanted[x.name] && !slices.Contains(names, x.name) {
			names = append(names, x.name)
		}
	}
	return names
}

// takeAdmin gives the sockets of the admin API.
func (t *takenSockets) takeAdmin() map[string]net.Listener {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.admin
	t.admin = nil
	return all
}

// adoptSteering goes on with the other server's table.
func (t *takenSockets) adoptSteering(to *steering, o steer.Options) error {
	t.mu.Lock()
	files := t.steer
	t.steer = nil
	t.mu.Unlock()
	if len(files) == 0 {
		return nil
	}
	table, err := steer.Adopt(files, o)
	if err != nil {
		return err
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.table = table
	return nil
}

// Close closes what nobody has taken.
func (t *takenSockets) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.tcp {
		x.socket.Close()
	}
	for _, x := range t.udp {
		x.socket.Close()
	}
	for _, ln := range t.admin {
		ln.Close()
	}
	for _, f := range t.steer {
		_ = f.Close()
	}
	t.tcp, t.udp, t.admin, t.steer = nil, nil, nil, nil
}
