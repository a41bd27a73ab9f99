package session

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/access"
)

const (
	// maxAside is how many networks a plugin remembers (chosen: 0.1 ms to look through, a
	// fraction of what a fault costs; beyond it the least blamed is forgotten).
	maxAside = 1024
	// quietNetwork is how long a network must bring no fault until it is forgotten, after
	// it was let in again (chosen: well above lastWait, so that one fault a minute does
	// not begin anew each time).
	quietNetwork = 5 * time.Minute
	// crowd is how many networks inside a wider one of IPv6 bring faults before that is put
	// aside whole (chosen: one neighbour may have the same broken player, two do not).
	crowd = 3
	// crowdBits is what the next narrower network of IPv6 has more.
	crowdBits = 8
)

// ipv6Sites are the networks around a /64 that one host may own, the widest first: what
// providers give to a site and to a home (RFC 6177).
var ipv6Sites = []int{48, 56}

// network is whom a fault is laid to. The zero network is nobody's.
type network struct {
	netip.Prefix // /24 of IPv4, /64 of IPv6
	// isClaimed: a peer of datagrams says that it is there. Nobody knows whether an answer
	// reaches it.
	isClaimed bool
}

// networkOf is the network that a peer is known by.
func networkOf(peer netip.Addr) network { return network{Prefix: access.NetworkOf(peer)} }

func around(at netip.Addr, bits int) netip.Prefix {
	p, _ := at.Prefix(bits) // zero for an address that has fewer
	return p
}

// wider are the widths of the networks around it that may be put aside whole.
func (n network) wider() []int {
	if !n.Addr().Is6() {
		return nil
	}
	return ipv6Sites
}

// at is the network of so many bits around it.
func (n network) at(bits int) network { return network{around(n.Addr(), bits), n.isClaimed} }

// party is what counts as one when a plugin is judged, and has one turn when its
// sessions wait: a /24, a /48 of IPv6 since one host may own it, and all peers of
// datagrams since one host may claim to be any.
func (n network) party() network {
	switch all := n.wider(); {
	case n.isClaimed:
		return network{isClaimed: true}
	case len(all) > 0:
		return n.at(all[0])
	}
	return n
}

// throttle puts networks aside whose sessions have brought faults. Its zero value has
// none; it is guarded by who has it. What peers of datagrams bring is held against those
// alone: it does not keep out who really is in that network.
type throttle struct {
	nets    map[network]*outcast
	claimed wait // of all peers of datagrams: they wait for turns of their own
	swept   time.Time
}

// outcast is a network that has brought faults.
type outcast struct {
	wait
	faults uint64
}

// wait is a time that doubles from firstWait to lastWait.
type wait struct {
	until time.Time
	span  time.Duration
}

func (w *wait) double(now time.Time) {
	w.span = min(max(2*w.span, firstWait), lastWait)
	w.until = now.Add(w.span)
}

func (w *wait) pardon(now time.Time) {
	if now.Before(w.until) {
		w.until = now
	}
}

func (w *wait) isForgotten(now time.Time) bool { return now.Sub(w.until) >= quietNetwork }

// fault puts a network aside, or a wider one that it is in, and gives which and how long.
func (t *throttle) fault(now time.Time, of network) (network, time.Duration) {
	if !of.IsValid() {
		return network{}, 0
	}
	t.forget(now)
	if of.isClaimed {
		if t.claimed.isForgotten(now) {
			t.claimed = wait{}
		}
		t.claimed.double(now)
	}
	of, o := t.guilty(now, of)
	o.double(now)
	o.faults++
	return of, o.span
}

// guilty gives the network that a fault is held against: the widest that is known for it,
// or becomes so by it.
func (t *throttle) guilty(now time.Time, of network) (network, *outcast) {
	for _, bits := range of.wider() {
		all := of.at(bits)
		if o := t.nets[all]; o != nil && !o.isForgotten(now) {
			return all, o
		}
		if t.isCrowd(now, all, of) {
			return all, t.join(now, all)
		}
	}
	o := t.nets[of]
	if o == nil {
		o = t.add(of)
	} else if o.isForgotten(now) {
		*o = outcast{}
	}
	return of, o
}

// isCrowd reports whether enough networks inside one have brought faults, with one more.
func (t *throttle) isCrowd(now time.Time, all, more network) bool {
	bits := all.Bits() + crowdBits
	var seen [crowd]network
	seen[0] = more.at(bits)
	n := 1
	for of, o := range t.nets {
		if all.isAround(of) && !o.isForgotten(now) && !slices.Contains(seen[:n], of.at(bits)) {
			seen[n] = of.at(bits)
			if n++; n == crowd {
				return true
			}
		}
	}
	return false
}

func (n network) isAround(of network) bool {
	return n.isClaimed == of.isClaimed && of.Bits() > n.Bits() && n.Contains(of.Addr())
}

// join makes one of what is known of all networks inside one.
func (t *throttle) join(now time.Time, all network) *outcast {
	var sum outcast
	for of, o := range t.nets {
		if !all.isAround(of) {
			continue
		}
		if !o.isForgotten(now) {
			sum.faults += o.faults
			sum.span = max(sum.span, o.span)
		}
		delete(t.nets, of)
	}
	delete(t.nets, all)
	o := t.add(all)
	*o = sum
	return o
}

func (t *throttle) add(of network) *outcast {
	if t.nets == nil {
		t.nets = map[network]*outcast{}
	}
	if len(t.nets) >= maxAside {
		delete(t.nets, t.least())
	}
	o := &outcast{}
	t.nets[of] = o
	return o
}

// admits reports whether a new session of that network may be opened, or how long it
// must wait.
func (t *throttle) admits(now time.Time, of network) (ok bool, after time.Duration) {
	for _, bits := range of.wider() {
		if o := t.nets[of.at(bits)]; o != nil && now.Before(o.until) {
			return false, o.until.Sub(now)
		}
	}
	if o := t.nets[of]; o != nil && now.Before(o.until) {
		return false, o.until.Sub(now)
	}
	return true, 0
}

// delays reports whether a network's sessions that are open wait for turns of their own.
func (t *throttle) delays(now time.Time, of network) bool {
	ok, _ := t.admits(now, of)
	return !ok || of.isClaimed && now.Before(t.claimed.until)
}

// pardon lets all in whose time is not over yet.
func (t *throttle) pardon(now time.Time) {
	for _, o := range t.nets {
		o.pardon(now)
	}
	t.claimed.pardon(now)
}

// forget drops networks that were quiet, and looks for them no more than once a minute.
func (t *throttle) forget(now time.Time) {
	if now.Sub(t.swept) < time.Minute {
		return
	}
	t.swept = now
	for of, o := range t.nets {
		if o.isForgotten(now) {
			delete(t.nets, of)
		}
	}
}

// least gives the network that waits the least for each fault, and among those the one
// that is let in first: whoever wants a real offender forgotten has to come from as many
// other networks, and from each as often.
func (t *throttle) least() (of network) {
	var least *outcast
	for n, o := range t.nets {
		if least == nil || cmp.Or(cmp.Compare(o.span, least.span), o.until.Compare(least.until)) < 0 {
			of, least = n, o
		}
	}
	return of
}

// Aside is a network whose new sessions a plugin refuses.
type Aside struct {
	Network   netip.Prefix
	Datagrams bool // only who sends datagrams and says that it is there
	Until     time.Time
	Faults    uint64 // that brought it there
}

// list gives the networks that are put aside, the longest first.
func (t *throttle) list(now time.Time) (all []Aside) {
	for of, o := range t.nets {
		if now.Before(o.until) {
			all = append(all, Aside{of.Prefix, of.isClaimed, o.until, o.faults})
		}
	}
	slices.SortFunc(all, func(a, b Aside) int {
		return cmp.Or(b.Until.Compare(a.Until), a.Network.Compare(b.Network))
	})
	return all
}
