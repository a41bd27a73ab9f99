package host

import (
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/nserr"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
)

// judge gives a plugin the state in which those who use it find it, with its code. The lock is held.
func (s *Server) judge(st *admin.Plugin, is session.State) {
	st.Until = is.Until
	switch is.Phase {
	case session.Running:
		s.judgeRunning(st)
	case session.Failed, session.Quarantined:
		st.Code = nserr.PluginErrorReported.String()
	case session.Draining:
		st.Code = nserr.NoNewConnections.String()
	}
}

// judgeRunning: a plugin that runs but cannot be reached is failed for those who use it; where one of several listeners is not open, that is its reason.
func (s *Server) judgeRunning(st *admin.Plugin) {
	if s.closing {
		st.State, st.Code, st.Reason = admin.PluginDraining, nserr.NoNewConnections.String(), "the server is draining"
		return
	}
	isReached := false
	for _, name := range st.Listeners {
		l := s.listeners[name]
		if l != nil && l.failed != nil && st.Reason == "" {
			st.Code, st.Reason = l.failed.Code.String(), "its listener "+name+" is not open: "+l.failed.Reason()
		}
		isReached = isReached || l != nil && l.isOpen()
	}
	if st.Reason != "" && !isReached {
		st.State = admin.PluginFailed
	}
}

// judgePoint gives a point's state its code, and what it can be told apart by.
func (s *Server) judgePoint(st *admin.Point, o point.Options) {
	switch {
	case st.State == point.Draining.String():
		st.Code = nserr.NoNewConnections.String()
	case st.State == point.Stopped.String():
		st.Code = nserr.PointStopped.String()
	case st.State == point.Failed.String() && !s.starts(o.URL):
		st.Code = nserr.SourcePluginNotFound.String()
	case st.State == point.Failed.String():
		st.Code = nserr.PluginErrorReported.String()
	case o.MaxViewers > 0 && st.Viewers >= o.MaxViewers:
		st.Code, st.Reason = nserr.MaxClients.String(), "it has as many viewers as limits.viewers allows"
	}
}

// starts tells whether a running plugin knows the scheme of a source's URL.
func (s *Server) starts(url string) bool {
	scheme, _, _ := strings.Cut(url, ":")
	for _, r := range s.room.Runners() {
		if g := r.Generation(); g != nil && r.State().Works() && slices.Contains(g.Manifest().Sources, scheme) {
			return true
		}
	}
	return false
}

// notes is what concerns no single listener, plugin or point.
func (s *Server) notes() []admin.Note {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.fedNotes(), s.changes.refused.notes()...)
	if !s.isUnreachable() {
		return all
	}
	e, _ := nserr.Lookup(nserr.AllProtocolsDisabled)
	return append(all, admin.Note{Code: e.Code.String(), Text: e.Meaning, Remedy: e.Remedy})
}

// isUnreachable tells whether plugins have listeners and yet none is to be reached. The lock is held.
func (s *Server) isUnreachable() bool {
	if s.closing {
		return false
	}
	wanted := false
	for _, c := range s.config().Plugins {
		p := s.plugins[c.Name]
		for _, name := range c.Listeners {
			wanted = true
			if l := s.listeners[name]; p != nil && p.off == "" && p.runner.State().Works() && l != nil && l.isOpen() {
				return false
			}
		}
	}
	return wanted
}

// warnUnreachable logs once that the last plugin that somebody could reach is gone. The lock is held.
func (s *Server) warnUnreachable() {
	if s.isUnreachable() {
		e, _ := nserr.Lookup(nserr.AllProtocolsDisabled)
		s.log.Warn("nobody can reach this server", "code", e.Code.String(), "meaning", e.Meaning, "remedy", e.Remedy)
	}
}
