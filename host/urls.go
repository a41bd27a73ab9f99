package host

import (
	"net/netip"
	"slices"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
)

// urls tells which announced URLs become others.
func (x *proposal) urls(s *Server) (all []admin.URLChange) {
	var old, now announce.Book
	old.Set(s.offers())
	now.Set(offers(x.now, func(name string) *manifest.Manifest { return x.willRun(s, name) },
		func(l config.Listener) []netip.AddrPort { return x.willDial(s, l) }))
	pair(x.old.Points, x.now.Points, func(p config.Point) string { return p.Name }, func(action string, a, b config.Point) {
		name := a.Name
		if action == admin.Added {
			name = b.Name
		}
		p := s.room.Point(name)
		if p == nil {
			p = point.New(pointOptions(b), nil)
		}
		var was, will []announce.Endpoint
		if action != admin.Added {
			was = old.Endpoints(p, "", "")
		}
		if action != admin.Removed {
			will = now.Endpoints(p, "", "")
		}
		all = append(all, urlChanges(name, was, will)...)
	})
	return all
}

// willRun gives the manifest of a plugin that runs once the configuration is in force.
func (x *proposal) willRun(s *Server, name string) *manifest.Manifest {
	m := x.manifests(s)[name]
	for i := range x.plugins {
		if p := &x.plugins[i]; p.now.Name == name && (p.starts || p.ends || p.loaded == nil) {
			if !p.starts {
				return nil
			}
			return m
		}
	}
	if p := s.plugins[name]; p == nil || p.off != "" || p.runner.State().Phase != session.Running {
		return nil
	}
	return m
}

// willDial gives what clients dial once the configuration is in force.
func (x *proposal) willDial(s *Server, l config.Listener) []netip.AddrPort {
	isChanged := slices.ContainsFunc(x.listeners, func(step listenerStep) bool { return step.now.Name == l.Name })
	if open := s.listeners[l.Name]; !isChanged {
		if open == nil || open.tcp == nil {
			return nil
		}
		return open.place.dialled
	}
	if l.UDP || !l.Enabled {
		return nil
	}
	dialled := slices.Clone(l.Addresses)
	for _, c := range l.Claims {
		dialled = append(dialled, netip.AddrPortFrom(c.Prefix.Addr(), c.First))
	}
	return dialled
}

// urlChanges pairs the URLs that go with those that come, by plugin and rendition.
func urlChanges(on string, old, now []announce.Endpoint) (all []admin.URLChange) {
	var gone []announce.Endpoint
	for _, e := range old {
		if !slices.Contains(now, e) {
			gone = append(gone, e)
		}
	}
	for _, e := range now {
		if slices.Contains(old, e) {
			continue
		}
		c := admin.URLChange{Point: on, Plugin: e.Plugin, New: e.URL}
		match := func(same func(o announce.Endpoint) bool) bool {
			i := slices.IndexFunc(gone, same)
			if i >= 0 {
				c.Old = gone[i].URL
				gone = slices.Delete(gone, i, i+1)
			}
			return i >= 0
		}
		_ = match(func(o announce.Endpoint) bool {
			return o.Plugin == e.Plugin && o.Rendition == e.Rendition && o.Scheme == e.Scheme
		}) ||
			match(func(o announce.Endpoint) bool { return o.Plugin == e.Plugin && o.Rendition == e.Rendition })
		all = append(all, c)
	}
	for _, e := range gone {
		all = append(all, admin.URLChange{Point: on, Plugin: e.Plugin, Old: e.URL})
	}
	return all
}
