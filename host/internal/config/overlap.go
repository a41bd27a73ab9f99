package config

import "net/netip"

// taken is what one listener, or one service of weir itself, takes: a bound socket or a steered claim.
type taken struct {
	key     []string
	udp     bool
	steered bool
	Claim
}

// overlaps reports addresses that would be taken twice. TCP and UDP are apart. Two bound sockets must not meet. Steering is asked before sockets and
// takes the longest prefix, so a steered claim may lie inside another's address or prefix if it is the narrower: that one then wins. What is
// steered: claims, and all of a listener with steer: require. Port 0 never overlaps.
func (l *loader) overlaps(c *Config) {
	var all []taken
	add := func(t taken) {
		if !t.Prefix.IsValid() || t.Last == 0 {
			return
		}
		for i := range all {
			if all[i].udp == t.udp && all[i].meets(t.Claim) && !l.apart(&all[i], &t) {
				return
			}
		}
		all = append(all, t)
	}
	add(taken{key: []string{"admin", "address"}, Claim: bound(c.Admin.Address)})
	add(taken{key: []string{"metrics", "address"}, Claim: bound(c.Metrics)})
	for _, listener := range c.Listeners {
		if !listener.Enabled {
			continue
		}
		key := []string{"listeners", listener.Name}
		for _, a := range listener.Addresses {
			add(taken{key, listener.UDP, listener.Steer == SteerRequire, bound(a)})
		}
		for _, claim := range listener.Claims {
			add(taken{key, listener.UDP, true, claim})
		}
	}
}

// apart tells whether two that meet can stand beside each other, and reports why not.
func (l *loader) apart(old, now *taken) bool {
	own := display(old.key) == display(now.key)
	switch {
	case own && (old.steered || now.steered):
		return true // one listener gets it either way
	case !old.steered && !now.steered:
		l.fail(now.key, "%v is already taken by %s (%v); choose another port", now.short(), display(old.key), old.short())
		return false
	case old.steered && now.steered && old.Prefix.Bits() == now.Prefix.Bits():
		l.fail(now.key, "%v is already taken by %s (%v); choose other addresses or ports, or a narrower prefix, which wins over a wider one", now.short(), display(old.key), old.short())
		return false
	case old.steered && now.steered:
		return true
	}
	steered, socket := old, now
	if now.steered {
		steered, socket = now, old
	}
	if steered.Prefix.Bits() > socket.Prefix.Bits() {
		return true
	}
	l.fail(now.key, "steering %v to %s would take what is sent to %v of %s; choose other addresses or ports, or set steer: require there too, so that the narrower wins",
		steered.short(), display(steered.key), socket.short(), display(socket.key))
	return false
}

// bound is an address as the prefix that its socket hears: all of its family, or itself.
func bound(a netip.AddrPort) Claim {
	if !a.IsValid() {
		return Claim{}
	}
	addr, bits := a.Addr().WithZone(""), a.Addr().BitLen()
	if addr.IsUnspecified() {
		bits = 0
	}
	return Claim{netip.PrefixFrom(addr, bits), a.Port(), a.Port()}
}

func (c Claim) meets(d Claim) bool {
	return c.First <= d.Last && d.First <= c.Last && c.Prefix.Overlaps(d.Prefix)
}

// short writes a socket as IP:PORT and a claim as itself.
func (t *taken) short() string {
	if t.First != t.Last || !t.Prefix.IsSingleIP() && t.Prefix.Bits() > 0 {
		return t.Claim.String()
	}
	return netip.AddrPortFrom(t.Prefix.Addr(), t.First).String()
}
