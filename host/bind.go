package host

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/netio/inherit"
	"github.com/weir-media/weir/host/internal/steer"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// rung is how a listener came by an address (design: the fallback ladder).
type rung string

// The rungs, in the order in which they are tried.
const (
	rungInherited rung = "inherited" // opened by systemd, or by the server before this one
	rungBind      rung = "bind"
	rungSteer     rung = "steer" // taken by sk_lookup from whoever holds the address
)

// socketSource has sockets that were opened elsewhere. What is taken belongs to the
// taker.
type socketSource interface {
	TakeTCP(listener string, a netip.AddrPort) (*net.TCPListener, bool)
	TakeUDP(listener string, a netip.AddrPort) ([]*net.UDPConn, bool)
}

// place is what a listener's addresses gave, rung by rung.
type place struct {
	sockets []*net.TCPListener // bound, inherited or anchors
	udp     [][]*net.UDPConn   // inherited, for each its workers
	bind    []netip.AddrPort   // UDP addresses that netio is to bind
	claims  []steer.Claim      // what steering has to bring
	dialled []netip.AddrPort   // what clients dial, in the configuration's order
	rungs   []rung
	given   []netip.AddrPort // where sockets are that were opened elsewhere
}

func (p *place) use(r rung) {
	if !slices.Contains(p.rungs, r) {
		p.rungs = append(p.rungs, r)
	}
}

// take notes how the socket at an address was come by. One of this server's own stays
// what it was.
func (p *place) take(from socketSource, udp bool, a netip.AddrPort) {
	if own, ok := from.(*ownSockets); ok && !own.isGiven(udp, a) {
		p.use(rungBind)
		return
	}
	p.use(rungInherited)
	p.given = append(p.given, a)
}

// rung names the rungs in use.
func (p *place) rung() string {
	var names []string
	for _, r := range []rung{rungInherited, rungBind, rungSteer} {
		if !slices.Contains(p.rungs, r) {
			continue
		}
		names = append(names, string(r))
	}
	return strings.Join(names, "+")
}

func (p *place) close() {
	for _, s := range p.sockets {
		s.Close()
	}
	for _, group := range p.udp {
		for _, s := range group {
			s.Close()
		}
	}
}

// climb finds a rung for each of a listener's addresses. It changes nothing that runs.
func (s *Server) climb(c config.Listener) (*place, error) {
	p := &place{}
	for _, a := range c.Addresses {
		if err := s.climbOne(p, c, a); err != nil {
			p.close()
			return nil, err
		}
	}
	for _, claim := range c.Claims {
		p.claim(c, claim.Prefix, claim.First, claim.Last)
	}
	if len(p.claims) == 0 {
		return p, nil
	}
	p.use(rungSteer)
	if _, err := s.steering.open(s.log); err != nil {
		p.close()
		return nil, err
	}
	if c.UDP {
		return p, nil
	}
	if err := p.addAnchors(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (s *Server) climbOne(p *place, c config.Listener, a netip.AddrPort) error {
	if c.Steer != config.SteerRequire {
		if s.inherit(p, c, a) {
			return nil
		}
		if c.UDP { // netio binds the workers of all addresses together
			p.bind = append(p.bind, a)
			return nil
		}
		bound, err := p.bindOne(a)
		if err == nil {
			p.use(rungBind)
			p.dialled = append(p.dialled, bound)
			return nil
		}
		if c.Steer == config.SteerOff || !steers(err) || !narrower(c, a) {
			return err
		}
		if _, cannot := s.steering.open(s.log); cannot != nil {
			return &unsteered{bind: err, steer: cannot}
		}
	}
	p.claim(c, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Port(), a.Port())
	return nil
}

// steers tells whether steering can help over a failure to bind: somebody else has the
// address, or the port is for the privileged.
func steers(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)
}

// narrower tells whether whoever has the address has more than that: then steering
// shares, and the other keeps the rest. To take all that somebody was bound to is for
// the operator to say (steer: require).
func narrower(c config.Listener, a netip.AddrPort) bool {
	if a.Addr().IsUnspecified() {
		return false
	}
	shadows, err := steer.Shadows([]steer.Claim{claimOf(c, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Port(), a.Port())})
	return err == nil && len(shadows) == 0
}

// unsteered is an address that could neither be bound nor steered.
type unsteered struct{ bind, steer error }

func (e *unsteered) Error() string   { return e.bind.Error() }
func (e *unsteered) Unwrap() []error { return []error{e.bind, e.steer} }

// inherit looks for a socket that stands already: handed over, or one of this server's
// own that another listener is giving up.
func (s *Server) inherit(p *place, c config.Listener, a netip.AddrPort) bool {
	for _, from := range s.inherited {
		if c.UDP {
			if group, ok := from.TakeUDP(c.Name, a); ok {
				p.udp = append(p.udp, group)
				p.take(from, c.UDP, socketAddress(group[0].LocalAddr()))
				return true
			}
			continue
		}
		if l, ok := from.TakeTCP(c.Name, a); ok {
			p.sockets = append(p.sockets, l)
			p.take(from, c.UDP, addressOf(l))
			p.dialled = append(p.dialled, addressOf(l))
			return true
		}
	}
	return false
}

// addressOf is what a listening socket is bound to.
func addressOf(l *net.TCPListener) netip.AddrPort { return socketAddress(l.Addr()) }

// socketAddress is the address of a TCP or UDP socket, zero for any other.
func socketAddress(a net.Addr) netip.AddrPort {
	x, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.AddrPort{}
	}
	return unmapped(x.AddrPort())
}

// bindOne binds an address and tells what it became.
func (p *place) bindOne(a netip.AddrPort) (netip.AddrPort, error) {
	bound, err := netio.Bind([]netip.AddrPort{a})
	if err != nil {
		return a, err
	}
	p.sockets = append(p.sockets, bound...)
	return addressOf(bound[0]), nil
}

func claimOf(c config.Listener, prefix netip.Prefix, first, last uint16) steer.Claim {
	protocol := steer.TCP
	if c.UDP {
		protocol = steer.UDP
	}
	return steer.Claim{Protocol: protocol, Prefix: prefix, First: first, Last: last, Listener: c.Name}
}

func (p *place) claim(c config.Listener, prefix netip.Prefix, first, last uint16) {
	p.claims = append(p.claims, claimOf(c, prefix, first, last))
	p.dialled = append(p.dialled, netip.AddrPortFrom(prefix.Addr(), first))
}

// claims6 tells whether any claim is of that family.
func (p *place) claims6(v6 bool) bool {
	return slices.ContainsFunc(p.claims, func(k steer.Claim) bool { return k.Prefix.Addr().Is6() == v6 })
}

// addAnchors opens the sockets that the kernel hands steered connections to. What they
// are bound to does not matter, so it is a port of loopback that nobody else needs.
func (p *place) addAnchors() error {
	anchors, err := netio.Bind(p.anchorAddresses())
	if err != nil {
		return err
	}
	p.sockets = append(p.sockets, anchors...)
	return nil
}

// takeInherited finds the sockets that weir was started with. What is no socket of use is
// said, and the rest is used.
func (s *Server) takeInherited() {
	set, err := inherit.Sockets(s.options.Environ)
	if err != nil {
		s.log.Error("not all that weir was started with is of use", "error", err)
	}
	if set.Len() > 0 {
		s.inherited = append(s.inherited, set)
	}
}

// warnUntaken names inherited sockets that no listener has.
func (s *Server) warnUntaken() {
	for _, from := range s.inherited {
		set, ok := from.(*inherit.Set)
		if !ok {
			continue
		}
		for _, x := range set.Rest() {
			s.warnOfSocket(x)
		}
	}
}

// What is said of an inherited socket that no listener has.
const (
	untaken       = "no listener takes an inherited socket: who connects to it waits for ever"
	untakenRemedy = "give a listener its address, or take it out of the socket unit"
)

func (s *Server) warnOfSocket(x *inherit.Socket) {
	s.log.Warn(untaken, telemetry.KeyReason, x.String(), "remedy", untakenRemedy)
}

// inheritedSockets are all that weir was started with.
func (s *Server) inheritedSockets() (all []*inherit.Socket) {
	for _, from := range s.inherited {
		if set, ok := from.(*inherit.Set); ok {
			all = append(all, set.All()...)
		}
	}
	return all
}

// taker names the listener of a configuration that takes an inherited socket; empty:
// none.
func taker(c *config.Config, x *inherit.Socket) string {
	for _, l := range c.Listeners {
		if l.Enabled && l.Steer != config.SteerRequire && slices.ContainsFunc(l.Addresses, func(a netip.AddrPort) bool { return x.Fits(l.Name, l.UDP, a) }) {
			return l.Name
		}
	}
	return ""
}

// findUntaken finds the inherited sockets that no listener of the proposal takes.
func (x *proposal) findUntaken(s *Server) {
	for _, i := range s.inheritedSockets() {
		if taker(x.now, i) == "" {
			x.untaken = append(x.untaken, i)
			x.warnings = append(x.warnings, x.now.File+": "+untaken+": "+i.String()+"; "+untakenRemedy)
		}
	}
}

// passInherited notes who has the inherited sockets now.
func (s *Server) passInherited(c *config.Config) {
	for _, from := range s.inherited {
		if set, ok := from.(*inherit.Set); ok {
			set.Pass(func(x *inherit.Socket) string { return taker(c, x) })
		}
	}
}

// closeInherited gives up what weir was started with.
func (s *Server) closeInherited() {
	for _, from := range s.inherited {
		if set, ok := from.(*inherit.Set); ok {
			set.Close()
		}
	}
}
