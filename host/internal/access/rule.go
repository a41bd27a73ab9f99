package access

import (
	"net/netip"
	"slices"
)

// Action is what a peer wants to do at a point.
type Action uint8

// The actions.
const (
	Play Action = iota
	Publish
	actions
)

// String is the action's word in plugins.yaml and in metrics.
func (a Action) String() string {
	if a == Publish {
		return "publish"
	}
	return "play"
}

// Methods are ways to log in, as a set. The zero value is none.
type Methods uint8

// The ways to log in.
const (
	Basic        Methods = 1 << iota // RFC 7617
	Digest                           // RFC 7616 with MD5, which all players know
	DigestSHA256                     // RFC 7616 with SHA-256
)

// String names one method as plugins.yaml does.
func (m Methods) String() string {
	switch m {
	case Basic:
		return "basic"
	case Digest:
		return "digest"
	case DigestSHA256:
		return "digest-sha256"
	}
	return "none"
}

// AnyUser in Rule.Users stands for whoever is in the users' file.
const AnyUser = "*"

// Rule says who may do something at some points: all that it says must hold. It is not
// changed once a Policy has it.
type Rule struct {
	Points        func(point string) bool // nil: all
	Play, Publish bool                    // the actions that it is about
	From          []netip.Prefix          // where a peer must be; empty: anywhere
	NotFrom       []netip.Prefix          // where it must not be
	Trusted       []netip.Prefix          // where it need not log in
	Users         []string                // who may; empty: nobody need log in
	Closed        bool                    // nobody may
	Methods       Methods                 // by which users log in
}

// Policy is all that plugins.yaml says of access. It is immutable; nil and the zero
// Policy let everybody do everything.
type Policy struct {
	Realm string // what users are asked for
	Rules []Rule // the first that is about the point and the action decides
	Users *Users // nil: there are none
}

// rule gives the one that decides; nil: none does, and all may.
func (p *Policy) rule(a Action, point string) *Rule {
	if p == nil {
		return nil
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		isMeant := a == Play && r.Play || a == Publish && r.Publish
		if isMeant && (r.Points == nil || r.Points(point)) {
			return r
		}
	}
	return nil
}

// Decides tells which rule decides, counted from 0, and whether one does.
func (p *Policy) Decides(a Action, point string) (index int, ok bool) {
	if r := p.rule(a, point); r != nil {
		for i := range p.Rules {
			if r == &p.Rules[i] {
				return i, true
			}
		}
	}
	return 0, false
}

// Admits judges a peer that has logged in as user; empty: it has not.
func (p *Policy) Admits(a Action, point string, from netip.Addr, user string) Answer {
	r := p.rule(a, point)
	if r == nil {
		return Admitted
	}
	from = from.Unmap().WithZone("")
	switch {
	case r.refuses(from):
		return NoAddress
	case !r.asks(from):
		return Admitted
	case user == "":
		return NoLogin
	case !r.names(user) || p.Users.find(user) == nil:
		return NotThisUser
	}
	return Admitted
}

// refuses tells whether nobody at an address may.
func (r *Rule) refuses(from netip.Addr) bool {
	return r.Closed || contains(r.NotFrom, from) || len(r.From) > 0 && !contains(r.From, from)
}

// asks tells whether a peer at an address must log in.
func (r *Rule) asks(from netip.Addr) bool { return len(r.Users) > 0 && !contains(r.Trusted, from) }

func (r *Rule) names(user string) bool {
	return slices.Contains(r.Users, user) || slices.Contains(r.Users, AnyUser)
}

func contains(all []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}
