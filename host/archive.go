package host

import (
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/archive"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/point"
)

// keep has the points of a configuration kept in files, and no others.
func (s *Server) keep(c *config.Config) {
	var all []archive.Want
	for _, p := range c.Points {
		if at := s.room.Point(p.Name); at != nil && p.Archive.File != "" {
			all = append(all, archive.Want{Point: at, Rendition: p.Archive.Rendition, File: p.Archive.File, After: p.Archive.After, Bytes: p.Archive.Bytes})
		}
	}
	s.vitals.records.archive.Set(all)
}

// archiveStatus tells how a point is kept; nil if it is not.
func (s *Server) archiveStatus(p *point.Point) *admin.Archive {
	x, ok := s.vitals.records.archive.Of(p)
	if !ok {
		return nil
	}
	return &admin.Archive{Rendition: x.Rendition, State: string(x.State), Reason: x.Reason, File: x.Path, Bytes: x.Written.Bytes, Packets: x.Packets, Files: x.Files, SkippedPackets: x.Skipped}
}

// keptNote says what a change does to the file that a point is kept in.
func (p *pointStep) keptNote() string {
	was, is := p.old.Archive, p.now.Archive
	switch {
	case was == is:
		return ""
	case is.File == "":
		return "its archive ends, the file is finished"
	case was.File == "":
		return "it is kept from now on"
	}
	return "its archive goes on in another file"
}
