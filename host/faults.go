package host

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/record"
	"github.com/weir-media/weir/host/internal/session"
)

// Faults lists the last faults of a plugin, or of all for "", the latest first.
func (s *Server) Faults(of string) ([]admin.Fault, error) {
	all := []admin.Fault{}
	for f := range s.reports() {
		if of == "" || of == f.Fault.Plugin {
			all = append(all, *faultOf(f))
		}
	}
	if of != "" && len(all) == 0 && s.room.Runner(of) == nil {
		return nil, notFound(&UnknownError{"plugin", of})
	}
	slices.SortFunc(all, func(a, b admin.Fault) int { return cmp.Compare(b.ID, a.ID) })
	return all, nil
}

// Fault gives one of the last faults with all that is known of it.
func (s *Server) Fault(id uint64) (admin.Fault, error) {
	f, err := s.report(id)
	if err != nil {
		return admin.Fault{}, err
	}
	full := faultOf(f)
	full.Frame, full.Config = f.Fault.Frame, f.Config
	return *full, nil
}

// RecordFault gives one of the last faults as a recording.
func (s *Server) RecordFault(id uint64) ([]byte, error) {
	f, err := s.report(id)
	if err != nil {
		return nil, err
	}
	if len(f.Fault.Frame) == 0 && f.Fault.Kind != plugin.Start { // there is nothing to be played but the start
		return nil, fmt.Errorf("fault %d has no events to record: %s", id, f.Fault.Error())
	}
	return record.OfFault(f.Fault, record.Scene{Build: f.Build, Host: s.options.Version, At: f.At, Config: f.Config})
}

// reports gives the last faults of all plugins, and of those that were never in force.
func (s *Server) reports() iter.Seq[*session.FaultReport] {
	return func(yield func(*session.FaultReport) bool) {
		all := s.changes.refused.stillborn()
		for _, r := range s.room.Runners() {
			all = append(all, r.Faults()...)
		}
		for _, f := range all {
			if !yield(f) {
				return
			}
		}
	}
}

func (s *Server) report(id uint64) (*session.FaultReport, error) {
	for f := range s.reports() {
		if f.ID == id {
			return f, nil
		}
	}
	return nil, fmt.Errorf("fault %d: %w; only the last of each plugin are kept, and none from before the server started", id, admin.ErrNotFound)
}

// faultOf describes a fault without what it was about.
func faultOf(f *session.FaultReport) *admin.Fault {
	x := f.Fault
	st := &admin.Fault{ID: f.ID, At: f.At, Plugin: x.Plugin, Version: f.Build.Version, Generation: x.Generation, Kind: x.Kind.String(),
		Session: f.Session, Peer: f.Peer, Point: f.Point, During: x.During, Text: x.Error(), Said: x.LastWords(),
		Stack: x.Stack, Log: x.Log, FrameBytes: len(x.Frame), NotInForce: f.Aside, Carrier: f.Build.Carrier}
	if f.Network.IsValid() {
		st.Network = f.Network.String()
	}
	return st
}

// asideListed bounds the networks that a status lists (chosen: 10 KB for each plugin).
const asideListed = 64

// blameOf tells what a plugin's faults have come to.
func blameOf(r session.PluginStatus) admin.Blame {
	b := admin.Blame{Quarantines: r.Quarantines, Aside: len(r.Aside), TurnedAway: r.TurnedAway}
	for _, n := range r.Aside[:min(len(r.Aside), asideListed)] {
		b.Throttled = append(b.Throttled, admin.Throttled{Network: n.Network.String(), Datagrams: n.Datagrams, Until: n.Until, Faults: n.Faults})
	}
	if r.LastFault != nil {
		b.LastFault = faultOf(r.LastFault)
	}
	return b
}
