package config

import (
	"net/netip"
	"slices"

	"github.com/weir-media/weir/host/internal/spelling"
)

// Access says who may play points and who may feed them. The zero value lets everybody do both.
type Access struct {
	UsersFile string // "": there are no users
	Realm     string // what users are asked for; "": the host's choice
	Rules     []AccessRule
}

// AccessRule is one rule: the first that is about a point and what a peer wants there decides, and all that it says must hold.
type AccessRule struct {
	Play, Publish bool
	Points        Patterns       // empty: all
	From          []netip.Prefix // where a peer must be; empty: anywhere
	NotFrom       []netip.Prefix // where it must not be
	Trusted       []netip.Prefix // where it need not log in
	Users         []string       // who may; "*": all of UsersFile; empty: nobody need log in
	Open, Closed  bool           // allow: true, which limits nobody, and allow: false: nobody may
	Methods       []Method       // by which users log in
}

// Method is a way to log in.
type Method string

// The ways to log in.
const (
	MethodBasic        Method = "basic"
	MethodDigest       Method = "digest"
	MethodDigestSHA256 Method = "digest-sha256"
)

// AllMethods is what a rule offers that names none.
func AllMethods() []Method { return []Method{MethodDigestSHA256, MethodDigest, MethodBasic} }

// networkWords stand for networks that many rules want.
var networkWords = map[string][]netip.Prefix{
	"loopback": prefixes("127.0.0.0/8", "::1/128"),
	// RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6: what no router of the Internet's leads to.
	"private": prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
}

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

const (
	maxAccessRules = 1000 // chosen: each is looked at for each viewer
	maxAccessUsers = 1000 // of one rule; chosen
)

func (l *loader) access(a at, dir string) Access {
	c := Access{UsersFile: resolve(dir, a.key("users_file").text()), Realm: a.key("realm").text()}
	rules := a.key("rules")
	all := rules.items()
	if _, isOne := rules.value.(map[string]any); isOne {
		all = []at{rules}
	}
	if len(all) > maxAccessRules {
		rules.fail("has %d rules; %d are allowed", len(all), maxAccessRules)
		return c
	}
	for _, item := range all {
		c.Rules = append(c.Rules, l.accessRule(item, c.UsersFile != ""))
	}
	return c
}

func (l *loader) accessRule(a at, hasUsers bool) AccessRule {
	const say = "write users: [NAME], from: [10.0.0.0/8], allow: true for everybody or allow: false for nobody"
	do, allow, users := a.key("do"), a.key("allow"), a.key("users")
	r := AccessRule{Play: do.text() != "publish", Publish: do.text() != "play", Points: a.key("points").patterns(), Open: allow.bool(false), Closed: !allow.bool(true),
		From: a.key("from").networks(), NotFrom: a.key("not_from").networks(), Trusted: a.key("trusted").networks(), Methods: a.key("methods").methods()}
	for _, item := range users.items() {
		r.Users = append(r.Users, item.text())
	}
	if do.present() && do.text() != "play" && do.text() != "publish" {
		do.fail("%q is unknown; write play or publish, or leave it out for both", do.text())
	}
	for _, key := range []string{"points", "from", "users", "trusted", "methods"} {
		if k := a.key(key); k.present() && len(k.items()) == 0 {
			k.fail("is an empty list, which fits nothing; name something, or remove the key")
		}
	}
	says := users.present() || allow.present() || a.key("from").present() || a.key("not_from").present()
	switch {
	case !says:
		a.fail("does not say who may; %s", say)
	case r.Closed && (users.present() || len(r.From) > 0 || len(r.Trusted) > 0):
		allow.fail("is false, so nobody may, and the rule names some who may; keep one of them")
	case users.present() && !hasUsers:
		users.fail("needs a file of users; write access: {users_file: users.txt}, and make it with: weir user add NAME -f users.txt")
	case !users.present() && (len(r.Trusted) > 0 || a.key("methods").present()):
		a.fail("says how users log in, but names none; write users: [NAME], or [\"*\"] for all of the file")
	case len(r.Users) > maxAccessUsers:
		users.fail("names %d users; %d are allowed, and \"*\" is all of the file", len(r.Users), maxAccessUsers)
	}
	return r
}

// networks reads addresses, prefixes and words for them.
func (a at) networks() (out []netip.Prefix) {
	for _, item := range a.items() {
		text := item.text()
		if some, ok := networkWords[text]; ok {
			out = append(out, some...)
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil && addr.Zone() == "" {
				addr = addr.Unmap()
				p = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if !p.IsValid() {
			item.fail("%q is no network; write one such as 10.0.0.0/8, 192.0.2.7 or \"2001:db8::/32\", or loopback or private", text)
			continue
		}
		if p.Addr().Is4In6() {
			item.fail("%q is an IPv4 address as IPv6 writes it; write it as IPv4", text)
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}

// methods reads ways to log in; all, if there are none.
func (a at) methods() (out []Method) {
	known := AllMethods()
	for _, item := range a.items() {
		m := Method(item.text())
		if !slices.Contains(known, m) {
			var words []string
			for _, k := range known {
				words = append(words, string(k))
			}
			item.fail("%q is unknown; %s", item.text(), spelling.Nearest(item.text(), words))
			continue
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return known
	}
	return out
}
