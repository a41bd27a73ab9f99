package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Bounds of listeners.
const (
	maxSockets     = 256  // of one listener; chosen: each has a goroutine that accepts
	maxClaims      = 4096 // of one listener; steering was measured with 10,002 prefixes in all
	maxWorkers     = 64   // netio.MaxWorkers
	maxFlowOffset  = 504  // netio.SniffBytes are looked at, less maxFlowBytes
	maxFlowBytes   = 8    // netio.FlowKey
	maxGroups      = 1024 // chosen; Linux allows 20 on a socket (igmp_max_memberships) until told otherwise
	maxDeviceBytes = 15   // netdevice(7): IFNAMSIZ is 16 with its NUL
)

func (l *loader) listener(a at, dir string) Listener {
	listener := Listener{Name: a.name(), Enabled: a.key("enabled").bool(true), Steer: l.steer(a.key("steer"))}
	if !nameText.MatchString(listener.Name) {
		a.fail(nameRule, listener.Name)
	}
	if p := a.key("protocol"); p.present() {
		listener.UDP = p.text() == "udp"
		if !listener.UDP && p.text() != "tcp" {
			p.fail("%q is unknown; write tcp or udp", p.text())
		}
	}
	l.place(&listener, a)
	if len(listener.Claims) > 0 && listener.Steer == SteerOff {
		a.key("steer").fail("is off, but no socket can be bound to a prefix or a range of ports (%s): only steering gives them; write auto or require, or single addresses and ports",
			listener.Claims[0])
	}
	for _, name := range []string{"tls", "fallback"} {
		if k := a.key(name); listener.UDP && k.present() {
			k.fail("is for TCP alone; remove it, or protocol: udp")
		}
	}
	for _, name := range []string{"workers", "groups", "interface", "flow"} {
		if k := a.key(name); !listener.UDP && k.present() {
			k.fail("is for datagrams alone; remove it, or add protocol: udp")
		}
	}
	if listener.UDP {
		listener.Datagrams = l.datagrams(a)
		return listener
	}
	listener.TLS = l.tls(a.key("tls"), dir)
	listener.Fallback = l.fallback(a.key("fallback"), dir)
	return listener
}

func (l *loader) steer(a at) Steer {
	if !a.present() {
		return SteerAuto
	}
	s := Steer(strings.ToLower(a.text()))
	if s == "false" { // what YAML 1.1 made of off
		s = SteerOff
	}
	if s != SteerAuto && s != SteerOff && s != SteerRequire {
		a.fail("%q is unknown; write auto (bind, and steer where that fails), off (bind or fail) or require (always steer)", a.text())
	}
	return s
}

func (l *loader) tls(a at, dir string) TLS {
	if !a.present() {
		return TLS{}
	}
	t := TLS{Cert: a.key("cert").text(), Key: a.key("key").text()}
	switch {
	case t.Cert == "":
		a.fail("has no cert; write {cert: FILE, key: FILE}, both PEM")
	case t.Key == "":
		a.fail("has no key; write {cert: FILE, key: FILE}, both PEM")
	}
	return TLS{resolve(dir, t.Cert), resolve(dir, t.Key)}
}

func (l *loader) fallback(a at, dir string) Fallback {
	files, listing, upstream := a.key("files"), a.key("listing"), a.key("upstream")
	switch {
	case !a.present():
		return Fallback{}
	case files.present() && upstream.present():
		upstream.fail("stands beside files; keep one of them")
	case listing.present() && !files.present():
		listing.fail("stands without files; remove it, or write {files: FOLDER, listing: true}")
	case upstream.present():
		if what := wrongWithUpstream(upstream.text()); what != "" {
			upstream.fail("%q %s; write for example \"http://127.0.0.1:8000\"", upstream.text(), what)
		}
	case files.text() == "":
		a.fail("names nobody; write {files: FOLDER} or {upstream: \"http://127.0.0.1:8000\"}")
	}
	return Fallback{Files: resolve(dir, files.text()), Listing: listing.bool(false), Upstream: upstream.text()}
}

func wrongWithUpstream(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "is neither http nor https"
	case u.Hostname() == "":
		return "names no host"
	case u.User != nil:
		return "holds a user name, which the log would show"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "has more than a host and a path"
	}
	if _, err = strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || u.Port() == "0") {
		return "has a port that is not 1 to 65535"
	}
	return ""
}

func (l *loader) datagrams(a at) Datagrams {
	d := Datagrams{Interface: a.key("interface").text()}
	if k := a.key("workers"); k.present() {
		d.Workers = k.within(1, maxWorkers)
	}
	groups, seen := a.key("groups"), map[netip.Addr]bool{}
	for _, item := range groups.some("multicast group", maxGroups) {
		group := item.addr(item.text())
		switch {
		case !group.IsValid():
		case !group.IsMulticast():
			item.fail("%v is no multicast group; write one such as 239.192.7.7 or ff15::7, or move it to addresses", group)
		case seen[group]:
			item.fail("%v stands twice; keep one", group)
		default:
			seen[group] = true
			d.Groups = append(d.Groups, group)
		}
	}
	if k := a.key("interface"); k.present() {
		switch {
		case d.Interface == "" || len(d.Interface) > maxDeviceBytes || strings.ContainsAny(d.Interface, "/: \t\x00"):
			k.fail("%q is no network interface; write one that `ip link` shows, such as eth0", d.Interface)
		case !groups.present():
			k.fail("says where groups are joined, and there are none; add groups, or remove it")
		}
	}
	flow := a.key("flow")
	if flow.present() {
		d.Flow.Length = flow.key("bytes").within(1, maxFlowBytes)
		if offset := flow.key("offset"); offset.present() {
			d.Flow.Offset = offset.within(0, maxFlowOffset)
		}
	}
	return d
}
