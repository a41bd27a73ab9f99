package host

import (
	"errors"
	"net/netip"
	"runtime"
	"slices"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/steer"
)

// openUDP opens a listener for datagrams: what can be bound or was inherited together,
// and what has to be steered apart, since that answers from other ports than its own.
func (s *Server) openUDP(l *listening) error {
	p, err := s.climb(l.config)
	if err != nil {
		return err
	}
	bound, err := s.listenUDP(l, p)
	if err != nil {
		return err
	}
	if bound != nil {
		l.udp = append(l.udp, bound)
		p.dialled = append(bound.Addrs(), p.dialled...)
	}
	if len(p.claims) > 0 {
		o := s.optionsUDP(l)
		o.Addresses = p.anchorAddresses()
		if bound != nil {
			o.Groups = nil // joined there
		}
		anchors, err := netio.ListenUDP(o)
		if err != nil {
			l.close()
			return err
		}
		l.udp = append(l.udp, anchors)
	}
	l.place = p
	return nil
}

// listenUDP opens what is bound or inherited. An address that somebody else has becomes
// a claim, where the configuration allows that.
func (s *Server) listenUDP(l *listening, p *place) (*netio.UDPListener, error) {
	for len(p.bind) > 0 || len(p.udp) > 0 {
		o := s.optionsUDP(l)
		o.Addresses, o.Sockets = p.bind, p.udp
		opened, err := netio.ListenUDP(o)
		if err == nil {
			if len(p.bind) > 0 {
				p.use(rungBind)
			}
			return opened, nil
		}
		lost := len(p.udp) > 0 // closed by ListenUDP: without them the listener would be open in part
		p.udp = nil
		var be *netio.BindError
		if lost || !errors.As(err, &be) || l.config.Steer == config.SteerOff || !steers(err) ||
			!slices.Contains(p.bind, be.Address) || !narrower(l.config, be.Address) {
			return nil, err
		}
		if _, cannot := s.steering.open(s.log); cannot != nil {
			return nil, &unsteered{bind: err, steer: cannot}
		}
		p.bind = slices.DeleteFunc(p.bind, func(a netip.AddrPort) bool { return a == be.Address })
		p.claim(l.config, netip.PrefixFrom(be.Address.Addr(), be.Address.Addr().BitLen()), be.Address.Port(), be.Address.Port())
		p.use(rungSteer)
	}
	return nil, nil
}

func (s *Server) optionsUDP(l *listening) netio.UDPOptions {
	d := l.config.Datagrams
	o := netio.UDPOptions{Name: l.config.Name, Workers: workers(l.config), Handler: l.front, Log: s.log, Spreader: steer.NewSpreader(steer.Options{Log: s.log}),
		Key: netio.FlowKey{Offset: d.Flow.Offset, Length: d.Flow.Length}}
	for _, g := range d.Groups {
		o.Groups = append(o.Groups, netio.Membership{Group: g, Interface: d.Interface})
	}
	return o
}

// workers is how many sockets each address of a UDP listener gets.
func workers(c config.Listener) int {
	if c.Datagrams.Workers > 0 {
		return c.Datagrams.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// anchorAddresses are what the sockets of steered datagrams are bound to.
func (p *place) anchorAddresses() (all []netip.AddrPort) {
	for _, loopback := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if p.claims6(loopback.Is6()) {
			all = append(all, netip.AddrPortFrom(loopback, 0))
		}
	}
	return all
}

// datagrams sums the counters of a UDP listener.
func (l *listening) datagrams() *admin.Datagrams {
	sum := &admin.Datagrams{Dropped: map[string]uint64{}}
	for _, u := range l.udp {
		st := u.Stats()
		sum.Spread = st.Rung
		sum.Workers += st.Workers
		sum.Flows += st.Flows
		sum.Received += st.Datagrams
		sum.Bytes += st.Bytes
		sum.Sent += st.Sent
		sum.Refused += st.Refusals
		if st.ReadErrors > 0 {
			sum.Dropped["read_error"] += st.ReadErrors
		}
		for _, why := range netio.UDPDrops() {
			if n := st.Dropped[why]; n > 0 {
				sum.Dropped[why.String()] += n
			}
		}
	}
	return sum
}
