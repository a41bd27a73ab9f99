package host

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/steer"
)

// steering holds the table by which listeners get addresses that others are bound to.
// It is opened when a listener first needs it. Safe for concurrent use.
type steering struct {
	mu    sync.Mutex
	table *steer.Table
	err   error           // why there is none; tried again by the next that needs it
	told  map[string]bool // shadows that were warned of
}

// open gives the table.
func (t *steering) open(log *slog.Logger) (*steer.Table, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.table == nil {
		known := t.err != nil
		t.table, t.err = steer.Open(steer.Options{Log: log})
		if t.err != nil {
			if !known {
				log.Info("steering cannot be used", "error", t.err)
			}
			return nil, t.err
		}
		_, _, _ = t.table.ProgramTime() // has the kernel count from now on; without that right, status does without
	}
	return t.table, nil
}

// inUse gives the table, nil if none was needed.
func (t *steering) inUse() *steer.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.table
}

func (t *steering) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.table != nil {
		_ = t.table.Close()
		t.table = nil
	}
}

// steer puts the claims of these listeners in force, and no others. Sockets come
// first, so that no claim stands without one.
func (s *Server) steer(listeners map[string]*listening) error {
	table := s.steering.inUse()
	if table == nil {
		return nil
	}
	var claims []steer.Claim
	for _, l := range listeners {
		if l.place == nil || len(l.place.claims) == 0 || !l.isOpen() {
			continue
		}
		if err := l.attach(table); err != nil {
			return fmt.Errorf("listener %q: %w", l.config.Name, err)
		}
		claims = append(claims, l.place.claims...)
	}
	slices.SortFunc(claims, func(a, b steer.Claim) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	s.steering.warn(s.log, claims)
	return table.Set(claims)
}

// warn tells, once, of sockets that get nothing any more although they are bound to
// exactly such an address.
func (t *steering) warn(log *slog.Logger, claims []steer.Claim) {
	shadows, err := steer.Shadows(claims)
	if err != nil {
		log.Debug("sockets that steering shadows are not known", "error", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, sh := range shadows {
		if !t.told[sh.String()] {
			log.Warn("steering takes the traffic of a socket that is bound to exactly this address", "what", sh.String())
			if t.told == nil {
				t.told = map[string]bool{}
			}
			t.told[sh.String()] = true
		}
	}
}

// attach names the listener's anchors to the table, one for each family and protocol.
func (l *listening) attach(table *steer.Table) error {
	protocol := l.place.claims[0].Protocol
	for _, v6 := range []bool{false, true} {
		if !l.place.claims6(v6) {
			continue
		}
		if socket := l.anchor(v6); socket != nil {
			if err := table.Attach(l.config.Name, protocol, v6, socket); err != nil {
				return err
			}
		}
	}
	return nil
}

// anchor is the socket of a family that steered traffic goes to: the last one, since
// anchors are opened behind those that are bound.
func (l *listening) anchor(v6 bool) syscall.Conn {
	if len(l.udp) > 0 {
		for _, c := range slices.Backward(l.udp[len(l.udp)-1].Anchors()) {
			if socketAddress(c.LocalAddr()).Addr().Is6() == v6 {
				return c
			}
		}
		return nil
	}
	for _, c := range slices.Backward(l.tcp.Sockets()) {
		if addressOf(c).Addr().Is6() == v6 {
			return c
		}
	}
	return nil
}

func protocolOf(c config.Listener) string {
	if c.UDP {
		return steer.UDP.String()
	}
	return steer.TCP.String()
}

// claimText writes a claim as "127.0.0.2:80" or "10.0.0.0/8:20000-20999".
func claimText(prefix netip.Prefix, first, last uint16) string {
	if !prefix.IsSingleIP() {
		return config.Claim{Prefix: prefix, First: first, Last: last}.String()
	}
	a := netip.AddrPortFrom(prefix.Addr(), first).String()
	if last != first {
		a += fmt.Sprintf("-%d", last)
	}
	return a
}

// where writes the addresses of an open listener, those that are steered apart.
func (p *place) where() (addresses, steered []string) {
	claimed := map[netip.AddrPort]bool{}
	for _, c := range p.claims {
		claimed[netip.AddrPortFrom(c.Prefix.Addr(), c.First)] = true
		steered = append(steered, claimText(c.Prefix, c.First, c.Last))
	}
	for _, a := range p.dialled {
		if !claimed[a] {
			addresses = append(addresses, a.String())
		}
	}
	return append(addresses, steered...), steered
}

// wished writes the addresses of a listener that is not open.
func wished(c config.Listener) (addresses []string) {
	for _, a := range c.Addresses {
		addresses = append(addresses, a.String())
	}
	for _, k := range c.Claims {
		addresses = append(addresses, claimText(k.Prefix, k.First, k.Last))
	}
	return addresses
}

// steered is what the table has counted; nil while there is none.
func (s *Server) steered() *admin.Steer {
	table := s.steering.inUse()
	if table == nil {
		return nil
	}
	st := &admin.Steer{Listeners: []admin.Steered{}}
	if all, err := table.Stats(); err == nil {
		for _, x := range all {
			st.Listeners = append(st.Listeners, admin.Steered{Listener: x.Listener, Protocol: x.Protocol.String(), Lookups: x.Lookups, Misses: x.Misses, Errors: x.Errors})
		}
	}
	if runs, took, err := table.ProgramTime(); err == nil && runs > 0 {
		st.Runs, st.RunNanos = runs, float64(took.Nanoseconds())/float64(runs)
	}
	return st
}
