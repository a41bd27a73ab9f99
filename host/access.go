package host

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"

	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// policyOf makes the access rules of a configuration, with its users as their file has
// them now; nil if there are no rules.
func policyOf(c *config.Config) (*access.Policy, error) {
	a := c.Access
	p := &access.Policy{Realm: cmp.Or(a.Realm, access.DefaultRealm)}
	if err := access.CheckRealm(p.Realm); err != nil {
		return nil, c.Problem(err.Error(), "access", "realm")
	}
	if a.UsersFile != "" {
		users, err := access.ReadUsers(a.UsersFile)
		if err != nil {
			text := err.Error()
			if file, is := errors.AsType[*os.PathError](err); is {
				text = cause(file) + "; make it with: weir user add NAME -f " + a.UsersFile + ", readable for the user that runs weir"
			}
			return nil, c.Problem(text, "access", "users_file")
		}
		p.Users = users
	}
	for _, r := range a.Rules {
		p.Rules = append(p.Rules, ruleOf(r))
	}
	if len(p.Rules) == 0 {
		return nil, nil // nobody is refused anything
	}
	return p, nil
}

func ruleOf(c config.AccessRule) access.Rule {
	r := access.Rule{Play: c.Play, Publish: c.Publish, From: c.From, NotFrom: c.NotFrom, Trusted: c.Trusted, Users: c.Users, Closed: c.Closed}
	if len(c.Points) > 0 {
		r.Points = c.Points.Match
	}
	for _, m := range c.Methods {
		switch m {
		case config.MethodBasic:
			r.Methods |= access.Basic
		case config.MethodDigest:
			r.Methods |= access.Digest
		case config.MethodDigestSHA256:
			r.Methods |= access.DigestSHA256
		}
	}
	return r
}

// access checks the rules, and finds points that strangers may feed.
func (x *crossing) access() {
	p, err := policyOf(x.c)
	if problem, is := errors.AsType[config.Problem](err); is {
		x.wrong = append(x.wrong, problem)
		return
	}
	if p == nil && x.c.Access.UsersFile != "" {
		x.doubt("nothing names its users; add rules, or remove it", "access", "users_file")
	}
	if p != nil {
		x.usersFile(p)
		for i, r := range x.c.Access.Rules {
			x.rule(i, r, p)
		}
	}
	x.openPoints("points", x.c.Points, p)
	x.openPoints("templates", x.c.Templates, p)
	x.openGroups(p)
}

// openGroups finds points that a rule keeps from strangers and that are sent to groups,
// which anybody may join.
func (x *crossing) openGroups(by *access.Policy) {
	for _, point := range x.c.Points {
		i, ok := by.Decides(access.Play, point.Name)
		isGroup := func(d config.Destination) bool { return d.To.Addr().IsMulticast() }
		if ok && isNarrow(x.c.Access.Rules[i]) && !x.c.Access.Rules[i].Open && slices.ContainsFunc(point.Multicast, isGroup) {
			x.doubt("whoever joins the group gets it, whatever access says: no router asks for a password; remove the group, or let everybody play the point", "points", point.Name, "multicast")
		}
	}
}

func (x *crossing) openPoints(section string, all []config.Point, by *access.Policy) {
	for _, point := range all {
		if at := x.openTo(point, by); at != "" {
			x.doubt(fmt.Sprintf("whoever reaches %s may feed it; say who may, as in access: {rules: [{do: publish, points: [%s], from: [loopback, private]}]}, "+
				"or allow: true if that is meant", at, strconv.Quote(point.Name)), section, point.Name)
		}
	}
}

func (x *crossing) usersFile(p *access.Policy) {
	file := x.c.Access.UsersFile
	if st, err := os.Stat(file); file != "" && err == nil && st.Mode().Perm()&0o077 != 0 {
		x.doubt(fmt.Sprintf("others than its owner may read or write it (mode %04o); run: chmod 600 %s", st.Mode().Perm(), file), "access", "users_file")
	}
	for _, name := range p.Users.Names() {
		if realm := p.Users.Realm(name); realm != "" && realm != p.Realm {
			x.doubt(fmt.Sprintf("user %s has hashes for Digest in realm %q, and here the realm is %q, so Digest never lets them in; add them anew with: weir user add %s -f %s --realm %s",
				name, realm, p.Realm, name, file, strconv.Quote(p.Realm)), "access", "users_file")
			return // one says it for all
		}
	}
}

// rule looks for what is named and is not there, and for rules that never decide.
func (x *crossing) rule(i int, r config.AccessRule, p *access.Policy) {
	key := func(steps ...string) []string { return append([]string{"access", "rules", strconv.Itoa(i)}, steps...) }
	x.patterns(r.Points, key("points")...)
	for n, user := range r.Users {
		if user != access.AnyUser && !p.Users.Has(user) {
			x.doubt(fmt.Sprintf("there is no user %q in %s; add them with: weir user add %s -f %[2]s", user, x.c.Access.UsersFile, user), key("users", strconv.Itoa(n))...)
		}
	}
	for n, before := range x.c.Access.Rules[:i] {
		isAll := len(before.Points) == 0 || before.Points.Match("*") && slices.Contains(before.Points, "*")
		if isAll && (before.Play || !r.Play) && (before.Publish || !r.Publish) {
			x.doubt(fmt.Sprintf("never decides, since rule %d before it is about all points; put the special before the general", n), key()...)
			return
		}
	}
}

// openTo gives an address, not of this computer alone, at which anybody may feed a point;
// empty: there is none.
func (x *crossing) openTo(p config.Point, by *access.Policy) string {
	if i, ok := by.Decides(access.Publish, p.Name); !p.Push || ok && isNarrow(x.c.Access.Rules[i]) {
		return ""
	}
	for _, c := range x.c.Plugins {
		m := x.manifests[c.Name]
		if !c.Enabled || m == nil || !m.Asks(manifest.CapPublish) || !c.Grant.Publish.Match(p.Name) {
			continue
		}
		for _, name := range c.Listeners {
			if l, ok := x.c.Listener(name); ok && l.Enabled {
				if at := reachableAt(l); at != "" {
					return at
				}
			}
		}
	}
	return ""
}

// isNarrow tells whether a rule keeps somebody out, or says that it means not to.
func isNarrow(r config.AccessRule) bool {
	return r.Closed || len(r.From)+len(r.NotFrom)+len(r.Users) > 0 || r.Open
}

// reachableAt gives an address of a listener that other computers may reach; empty: none.
func reachableAt(l config.Listener) string {
	for _, a := range l.Addresses {
		if !a.Addr().IsLoopback() {
			return a.String()
		}
	}
	for _, c := range l.Claims {
		if !c.Prefix.Addr().IsLoopback() {
			return c.String()
		}
	}
	return ""
}

// usersOf is what tells one state of the users' file from another.
func usersOf(p *access.Policy) string {
	if p == nil {
		return ""
	}
	return p.Users.Sum()
}

// tellAccess tells of other rules, and of other users.
func (x *proposal) tellAccess(add func(what, name, action string, notes ...string)) {
	users := ""
	if usersOf(x.was) != usersOf(x.policy) {
		users = "the file of users is another"
	}
	if users != "" || !reflect.DeepEqual(x.old.Access, x.now.Access) {
		add(admin.OfServer, "access", admin.Changed, users, "for whoever comes from now on; who is connected stays")
	}
}

// accessTouched notes sessions that would not be let in again.
func (t *touching) accessTouched(was, now *access.Policy) {
	for _, s := range t.all {
		action := access.Play
		switch s.Role {
		case session.RoleViewer:
		case session.RoleSource:
			action = access.Publish
		default:
			continue
		}
		from, err := netip.ParseAddrPort(s.Peer)
		if err != nil {
			continue // it is no peer's
		}
		if was.Admits(action, s.Point, from.Addr(), s.User) == access.Admitted && now.Admits(action, s.Point, from.Addr(), s.User) != access.Admitted {
			t.set(s.ID, admin.Kept, "the access rules would not let it in again; it stays until it ends")
		}
	}
}

// accessStatus tells of rules and of who was judged by them; nil if there are none.
func (s *Server) accessStatus() *admin.Access {
	p := s.access.Policy()
	if p == nil {
		return nil
	}
	st := s.access.Stats()
	a := &admin.Access{Rules: len(p.Rules), Users: len(p.Users.Names()), Judged: map[string]map[string]uint64{}, Aside: st.Aside}
	for action, counts := range st.Judged {
		of := map[string]uint64{}
		for _, answer := range access.Answers() {
			if n := counts[answer]; n > 0 {
				of[answer.String()] = n
			}
		}
		a.Judged[access.Action(action).String()] = of
	}
	for _, w := range st.Throttled {
		a.Throttled = append(a.Throttled, admin.FailedLogins{Network: w.Network.String(), Until: w.Until, Failures: w.Failures})
	}
	return a
}

var (
	accessJudged = telemetry.Def{Name: "access_judged_total", Help: "Peers judged by access rules, by what they wanted and the answer.", Labels: []string{"action", "answer"}}
	accessAside  = telemetry.Def{Name: "access_throttled_networks", Help: "Networks whose logins are refused at present, since too many have failed."}
)

// accessMetrics registers what the access rules have come to.
func (s *Server) accessMetrics() {
	s.vitals.registry.CountersFunc(accessJudged, func(add telemetry.Add) {
		for action, counts := range s.access.Stats().Judged {
			for _, answer := range access.Answers() {
				add(float64(counts[answer]), access.Action(action).String(), answer.String())
			}
		}
	})
	s.vitals.registry.GaugeFunc(accessAside, func() float64 { return float64(s.access.Stats().Aside) })
}
