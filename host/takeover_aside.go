package host

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/session"
)

// A take-over is all or nothing, as an apply is: what works in the old server must work
// in the new one, or the old one goes on. So the new one opens before Commit what the
// two can have open beside each other, and tries what they cannot; what still fails
// between Commit and Serving has the old one open again what it gave up.

// tryAgain is what to do once a listener can be opened that has kept a server from
// taking over.
const tryAgain = "then take over again"

// failures are what does not work in this server: it need not work in the next one.
func (s *Server) failures() (f handover.Failures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.listeners {
		if l.failed != nil {
			f.Listeners = append(f.Listeners, name)
		}
	}
	for name, p := range s.plugins {
		if !p.runner.State().Works() {
			f.Plugins = append(f.Plugins, name)
		}
	}
	return f
}

// offered are the sockets that the other server has.
type offered struct {
	tcp []taken[*net.TCPListener]
	udp []taken[*net.UDPConn]
}

// offered tells of the sockets that nobody has taken yet, which stay the receiver's.
func (t *takenSockets) offered() offered {
	t.mu.Lock()
	defer t.mu.Unlock()
	return offered{slices.Clone(t.tcp), slices.Clone(t.udp)}
}

// relation tells whether the other server has an address as it is, or one that keeps it
// from being bound.
func (o offered) relation(c config.Listener, a netip.AddrPort) (has, meets bool) {
	if c.UDP {
		return relation(o.udp, c.Name, a)
	}
	return relation(o.tcp, c.Name, a)
}

func relation[T any](all []taken[T], name string, a netip.AddrPort) (has, meets bool) {
	for _, x := range all {
		has = has || x.is(name, a)
		meets = meets || meet(x.address, unmapped(a))
	}
	return has, meets
}

// mayFail tells whether a listener need not be opened: the old server has it failed too,
// and has none of its addresses under another name.
func (t *taking) mayFail(c config.Listener, there offered) bool {
	if !slices.Contains(t.l.peer.Failed.Listeners, c.Name) {
		return false
	}
	return !slices.ContainsFunc(c.Addresses, func(a netip.AddrPort) bool {
		has, _ := there.relation(c, a)
		return has
	})
}

// judge finds what an apply would refuse too.
func (t *taking) judge(there offered) error {
	s := t.s
	var problems config.Problems
	for _, c := range s.config().Plugins {
		p := s.plugins[c.Name]
		if !c.Enabled || p == nil || slices.Contains(t.l.peer.Failed.Plugins, c.Name) {
			continue
		}
		if st := p.runner.State(); st.Phase == session.Failed {
			problems = append(problems, s.problem(c, errors.New(st.Reason)))
		}
	}
	wrong, _ := crossCheck(s.config(), s.manifests(), func(c config.Listener) bool { return t.mayFail(c, there) })
	if problems = append(problems, wrong...); len(problems) > 0 {
		return problems
	}
	return nil
}

// openAside opens what can be opened beside the old server, and tries the rest.
// Nothing is accepted yet.
func (t *taking) openAside(there offered) error {
	var all []error
	for _, c := range t.s.config().Listeners {
		if !c.Enabled {
			continue
		}
		l, err := t.openOne(c, there)
		switch {
		case err == nil && l != nil:
			t.s.listeners[c.Name] = l
		case err != nil && !t.mayFail(c, there):
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// openOne gives nil for a listener whose turn comes after Commit.
func (t *taking) openOne(c config.Listener, there offered) (*listening, error) {
	if c.UDP {
		return nil, t.tryUDP(c, there)
	}
	if len(c.Claims) > 0 || c.Steer == config.SteerRequire {
		return nil, nil
	}
	for _, a := range c.Addresses {
		if has, meets := there.relation(c, a); meets && !has {
			return nil, nil
		}
	}
	bound := c
	bound.Steer = config.SteerOff // the table is still the other server's
	l, err := t.s.openListener(bound, tryAgain)
	if err != nil && mayBeSteered(c, err) {
		return nil, nil
	}
	if err == nil {
		l.config = c
	}
	return l, err
}

// mayBeSteered tells whether steering could bring what could not be bound.
func mayBeSteered(c config.Listener, err error) bool {
	var bind *netio.BindError
	return c.Steer != config.SteerOff && errors.As(err, &bind) && steers(err) && narrower(c, bind.Address)
}

// tryUDP opens a listener for datagrams and closes it again: who has such a socket gets
// its datagrams at once. Beside a socket of the old server it is opened at a port that
// nobody knows, which shows what is wrong with the rest.
func (t *taking) tryUDP(c config.Listener, there offered) error {
	s := t.s
	front := s.room.NewFront() // it has no routes, so no flow begins
	o := s.optionsUDP(&listening{config: c, front: front})
	o.Workers, o.Spreader, o.Log = 1, nil, nil
	if c.Steer != config.SteerRequire {
		for _, a := range c.Addresses {
			if has, meets := there.relation(c, a); has || meets {
				a = netip.AddrPortFrom(a.Addr(), 0)
			}
			o.Addresses = append(o.Addresses, a)
		}
	}
	if len(o.Addresses) == 0 { // all is steered, to sockets of loopback
		o.Addresses = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), netip.AddrPortFrom(netip.IPv6Loopback(), 0)}
	}
	l, err := netio.ListenUDP(o)
	if err == nil {
		l.Close()
		return nil
	}
	var bind *netio.BindError
	if errors.As(err, &bind) && bind.Address.Port() == 0 {
		i := slices.IndexFunc(c.Addresses, func(a netip.AddrPort) bool { return a.Addr() == bind.Address.Addr() })
		if i >= 0 {
			bind.Address = c.Addresses[i]
		}
	}
	if mayBeSteered(c, err) {
		return nil
	}
	return s.listenError(c, err, tryAgain)
}

// lost gives the listeners that are not open at last and should be. There are none for a
// server that does not take over, or whose predecessor has died.
func (t *taking) lost() error {
	if t == nil || t.l.isDead() {
		return nil
	}
	var all []error
	for _, c := range t.s.config().Listeners {
		l := t.s.listeners[c.Name]
		if l.failed != nil && !t.mayFail(c, t.there) {
			all = append(all, t.s.listenError(c, l.failed.Cause, tryAgain))
		}
	}
	return errors.Join(all...)
}

// giveUp closes all that the old server needs for itself, before the end of the
// connection has it go on.
func (t *taking) giveUp() {
	if t == nil {
		return
	}
	for _, l := range t.s.listeners {
		l.close()
	}
	t.abort()
}
